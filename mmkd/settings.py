"""Checks of what users set: numbers and their ranges, flags, names; each error says the remedy.

A config holds whatever the command line or a file put there, so a value is looked at before it is
compared: ``'0.1' < 0`` would be Python's error, which names no setting.
"""

import difflib
import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from typing import Any

from .utils.errors import UserError

_COMPARED = re.compile(r'(>=|>) (\S+)')
_INTERVAL = re.compile(r'([\[(])(\S+), (\S+)([\])])')
_HOST = frozenset({'mmcv', 'mmdet', 'mmengine', 'mmkd'})
"""Packages whose constructors hand ``**kwargs`` on to their base class."""
_KEEPING = frozenset(
    'BasePanopticFusionHead BaseTransformerLayer EmbeddingRPNHead Mask2FormerTrackHead '
    'MaskFormerHead MultiheadAttention QuasiDenseTrackHead RPN RoIEmbedHead RoITrackHead '
    'TimmBackbone VFNetHead'.split()
)
"""Classes of the host that do something else with it (MMDetection 3.3, MMCV 2.1)."""
_TYPO = 0.8
"""How alike (``difflib``) two names are of which one is taken for a typo of the other."""


def check_number(
    name: str, value: object, rule: str, *, whole: bool = False, remedy: str = ''
) -> None:
    """Refuses what is not a finite number in a range; ``True`` is not a number.

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
    raise UserError(name, f'must {needed}, got {value!r}', remedy)


def check_flag(name: str, value: object, *, none: bool = False) -> None:
    """Refuses what is neither True nor False: the text ``'False'`` would count as true.

    Args:
        name: Of the setting.
        value: What was set.
        none: Whether None may stand there as well.

    Raises:
        ValueError: Names setting and value.
    """
    if not isinstance(value, bool) and not (none and value is None):
        remedy = 'write it without quotes' if value in ('True', 'False', 'None') else ''
        allowed = 'True, False or None' if none else 'True or False'
        raise UserError(name, f'must be {allowed}, got {value!r}', remedy)


def check_choice(name: str, value: object, choices: Sequence[Any]) -> None:
    """Refuses what is none of a few values.

    Args:
        name: Of the setting.
        value: What was set.
        choices: What may be.

    Raises:
        ValueError: Names setting, value and choices.
    """
    if value not in choices:
        raise UserError(f'{name} must be one of {list(choices)}, got {value!r}.')


def check_known(
    place: str,
    given: Iterable[str],
    accepted: Sequence[str],
    what: str = 'argument',
    others: bool = False,
) -> None:
    """Refuses the first name that is not accepted, with the nearest one that is.

    Args:
        place: What the names were given to, the beginning of the message.
        given: Names.
        accepted: Names that may be given.
        what: What such a name is called.
        others: Whether other names may be given too, unless they are typos of accepted ones.

    Raises:
        UserError: Names it.
    """
    for name in map(str, given):
        typo = difflib.get_close_matches(name, accepted, 1, _TYPO)
        if name not in accepted and (typo or not others):
            near = nearest(name, accepted)
            raise UserError(
                f'{place} has no {what} {name!r}.{near} It takes {list(accepted)}'
                f'{"; a class of your own lists others in its signature" * others}.'
            )


def check_arguments(name: str, setting: Any, kind: Callable, without: Sequence[str] = ()) -> None:
    """Refuses a setting that is not a dict of arguments of a class.

    Args:
        name: Of the setting.
        setting: What was set.
        kind: The class or function that will be called with it.
        without: Arguments that are set elsewhere.

    Raises:
        ValueError: It is not a dict, or names what ``kind`` does not take.
    """
    called = getattr(kind, '__name__', str(kind))
    if not isinstance(setting, Mapping):
        raise UserError(f'{name} must be a dict of arguments of {called}, got {setting!r}.')
    accepted, others = accepted_arguments(kind)
    known = [one for one in accepted if one not in without]
    check_known(f'{name}: {called}', setting, known, others=others)


def check_keys(name: str, setting: Any, accepted: Sequence[str]) -> None:
    """Refuses a setting that is neither None nor a dict of some of the accepted keys.

    Raises:
        ValueError: Names the setting, what it holds and what it may.
    """
    if setting is not None and not isinstance(setting, Mapping):
        raise UserError(f'{name} must be a dict of {list(accepted)} or None, got {setting!r}.')
    for key, value in (setting or {}).items():
        check_known(f'{name}.{key}={value!r}: {name}', [key], accepted, 'key')


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean '...'?`` with the nearest of the known names, or nothing."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f' Did you mean {by_lower[near[0]]!r}?' if near else ''


def accepted_arguments(kind: Callable) -> tuple[list[str], bool]:
    """What a class or function can be called with by name.

    ``**kwargs`` of a class is followed into its base classes. One from outside the host and mmkd
    may take names out of it on the way.

    Args:
        kind: A class or function.

    Returns:
        The names, and whether there may be others.
    """
    if not isinstance(kind, type):
        return _named(kind)
    names: list[str] = []
    others = False
    for base in kind.__mro__[:-1]:
        if '__init__' not in vars(base):
            continue
        if base.__name__ in _KEEPING:
            return [], True
        own, open_ended = _named(vars(base)['__init__'], skip=1)
        names += [name for name in own if name not in names]
        if not open_ended:
            return names, others
        others |= base.__module__.split('.')[0] not in _HOST
    return names, True


def _named(function: Callable, skip: int = 0) -> tuple[list[str], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):  # written in C without a signature
        return [], True
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


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
