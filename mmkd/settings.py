"""Checks of what users set: numbers and their ranges, flags, names; each error says the remedy.

A config holds whatever the command line or a file put there, so a value is looked at before it is
compared: ``'0.1' < 0`` would be Python's error, which names no setting.
"""

import ast
import difflib
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from typing import Any

_COMPARED = re.compile(r'(>=|>) (\S+)')
_INTERVAL = re.compile(r'([\[(])(\S+), (\S+)([\])])')
_READING = frozenset({'get', 'items', 'keys', 'values', 'copy', 'setdefault', 'update'})
"""What a constructor may do with its ``**kwargs`` without taking a name out."""
_LOOKING = frozenset({'set', 'sorted', 'list', 'len', 'bool'})
"""And what it may call with them."""


def check_number(
    name: str, value: Any, rule: str, *, whole: bool = False, remedy: str = ''
) -> None:
    """Refuses what is no finite number in a range; ``True`` is none.

    Args:
        name: Of the setting.
        value: What was set.
        rule: The range: ``'>= 0'``, ``'> 0'``, or an interval like ``'(0, 1]'``.
        whole: Whether it must be an integer.
        remedy: What to do, in words, beside correcting the number.

    Raises:
        ValueError: Names setting, range and value.
    """
    low, low_counts, high, high_counts = _bounds(rule)
    needed = ('lie in ' if rule[0] in '[(' else 'be ') + rule
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        needed = f'be a {"whole " if whole else ""}number ' + ('in ' if rule[0] in '[(' else '')
        needed += rule
        if isinstance(value, str) and _is_number(value):
            remedy = remedy or 'write it without quotes'
    elif not math.isfinite(value):
        needed += ' and finite'
    elif low < float(value) < high or value in (low,) * low_counts + (high,) * high_counts:
        return
    raise ValueError(f'{name} must {needed}, got {value!r}{": " * bool(remedy)}{remedy}.')


def check_flag(name: str, value: Any, *, none: bool = False) -> None:
    """Refuses what is neither True nor False: the text ``'False'`` would count as true.

    Args:
        name: Of the setting.
        value: What was set.
        none: Whether None may stand there as well.

    Raises:
        ValueError: Names setting and value.
    """
    if not isinstance(value, bool) and not (none and value is None):
        raise ValueError(
            f'{name} must be True{", False or None" if none else " or False"}, got {value!r}'
            f'{": write it without quotes" * (value in ("True", "False", "None"))}.'
        )


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuses what is none of a few values.

    Args:
        name: Of the setting.
        value: What was set.
        choices: What may be.

    Raises:
        ValueError: Names setting, value and choices.
    """
    if value not in choices:
        raise ValueError(f'{name} must be one of {list(choices)}, got {value!r}.')


def check_known(
    place: str, given: Iterable[str], accepted: Sequence[str], what: str = 'argument'
) -> None:
    """Refuses the first name that is not accepted, with the nearest one that is.

    Args:
        place: What the names were given to, the beginning of the message.
        given: Names.
        accepted: Names that may be given.
        what: What such a name is called.

    Raises:
        ValueError: Names it.
    """
    unknown = next((name for name in given if name not in accepted), None)
    if unknown is None:
        return
    raise ValueError(
        f'{place} has no {what} {unknown!r}.{nearest(str(unknown), accepted)} It takes '
        f'{list(accepted)}.'
    )


def check_arguments(name: str, setting: Any, kind: Callable, without: Sequence[str] = ()) -> None:
    """Refuses a setting that is no dict of arguments of a class.

    Args:
        name: Of the setting.
        setting: What was set.
        kind: The class or function that will be called with it.
        without: Arguments that are set elsewhere.

    Raises:
        ValueError: It is no dict, or names what ``kind`` does not take.
    """
    called = getattr(kind, '__name__', str(kind))
    if not isinstance(setting, Mapping):
        raise ValueError(f'{name} must be a dict of arguments of {called}, got {setting!r}.')
    accepted, open_ended = accepted_arguments(kind)
    if not open_ended:
        check_known(f'{name}: {called}', setting, [one for one in accepted if one not in without])


def check_keys(name: str, setting: Any, accepted: Sequence[str]) -> None:
    """Refuses a setting that is neither None nor a dict of some of the accepted keys.

    Raises:
        ValueError: Names the setting, what it holds and what it may.
    """
    if setting is not None and not isinstance(setting, Mapping):
        raise ValueError(f'{name} must be a dict of {list(accepted)} or None, got {setting!r}.')
    for key, value in (setting or {}).items():
        check_known(f'{name}.{key}={value!r}: {name}', [key], accepted, 'key')


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean '...'?`` with the nearest of the known names, or nothing."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f' Did you mean {by_lower[near[0]]!r}?' if near else ''


def accepted_arguments(kind: Callable) -> tuple[list[str], bool]:
    """What a class or function can be called with by name.

    A class's ``**kwargs`` is followed into its base classes where the constructor hands it on
    whole; where it does something else with it, any name may be meant.

    Args:
        kind: A class or function.

    Returns:
        The names, and whether there may be others.
    """
    if not isinstance(kind, type):
        return _named(kind)
    names: list[str] = []
    for base in kind.__mro__[:-1]:
        constructor = vars(base).get('__init__')
        if constructor is None:
            continue
        own, open_ended = _named(constructor, skip=1)
        names += [name for name in own if name not in names]
        if not open_ended:
            return names, False
        if not _hands_on(constructor):
            break
    return names, True


def _named(function: Callable, skip: int = 0) -> tuple[list[str], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):  # written in C without a signature
        return [], True
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


@cache
def _hands_on(constructor: Callable) -> bool:
    """Whether a constructor's ``**kwargs`` reach the base class as they were given."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    except (OSError, TypeError, SyntaxError):
        return False
    rest = next(
        p.name
        for p in inspect.signature(constructor).parameters.values()
        if p.kind is p.VAR_KEYWORD
    )
    harmless: set[ast.AST] = set()
    reached = False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == '__init__':
            if not _is_next(node.func, constructor):
                return False
            whole = [word.value for word in node.keywords if word.arg is None]
            harmless.update(whole)
            reached |= any(isinstance(value, ast.Name) and value.id == rest for value in whole)
        elif isinstance(node, ast.Attribute) and node.attr in _READING:
            harmless.add(node.value)
        elif isinstance(node, (ast.Compare, ast.For)) or _looks(node):
            harmless.update(ast.iter_child_nodes(node))
    uses = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == rest)
    return reached and all(use in harmless for use in uses)


def _looks(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, 'id', '') in _LOOKING


def _is_next(function: Any, constructor: Callable) -> bool:
    """Whether ``X.__init__`` in a constructor is that of the next class in line.

    ``super(Other, self)`` and ``Base.__init__`` may pass over classes in between.
    """
    owner = getattr(function, 'value', None)
    if not isinstance(owner, ast.Call) or getattr(owner.func, 'id', '') != 'super':
        return False
    own = constructor.__qualname__.split('.')[-2]
    return not owner.args or getattr(owner.args[0], 'id', '') == own


@cache
def _bounds(rule: str) -> tuple[float, bool, float, bool]:
    """Low end, whether it counts, high end, whether it counts."""
    if found := _COMPARED.fullmatch(rule):
        return float(found[2]), found[1] == '>=', math.inf, False
    found = _INTERVAL.fullmatch(rule)
    assert found is not None, rule
    return float(found[2]), found[1] == '[', float(found[3]), found[4] == ']'


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
