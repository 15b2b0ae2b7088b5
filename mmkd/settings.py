"""Checks of what users set; each raises a UserError that names setting, value and remedy.

A config holds whatever the command line or a file put there, so a value is looked at before it is
compared: ``'0.1' < 0`` would be Python's error, which names no setting.
"""

import difflib
import inspect
import math
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real

from .utils.errors import UserError

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

    ``rule`` is the range: ``'>= 0'``, ``'> 0'``, or an interval like ``'(0, 1]'``; ``whole`` asks
    for an integer; ``remedy`` says what to do beside correcting the number.
    """
    low, low_counts, high, high_counts = _bounds(rule)
    interval = rule[0] in '[('
    needed = ('lie in ' if interval else 'be ') + rule
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        needed = f'be a {"whole " * whole}number {"in " * interval}{rule}'
        if isinstance(value, str) and _is_number(value):
            remedy = remedy or 'write it without quotes'
    elif not math.isfinite(value):
        needed += ' and finite'
    elif low < float(value) < high or value in (low,) * low_counts + (high,) * high_counts:
        return
    raise UserError(name, f'must {needed}, got {value!r}', remedy)


def check_numbers(rule: str, *, whole: bool = False, **values: object) -> None:
    """:func:`check_number` of several settings that have one range."""
    for name, value in values.items():
        check_number(name, value, rule, whole=whole)


def check_flag(name: str, value: object, *, none: bool = False) -> None:
    """Refuses what is neither True nor False, nor None where ``none`` says that it may stand there.

    The text ``'False'`` would count as true.
    """
    if not isinstance(value, bool) and not (none and value is None):
        remedy = 'write it without quotes' if value in ('True', 'False', 'None') else ''
        allowed = 'True, False or None' if none else 'True or False'
        raise UserError(name, f'must be {allowed}, got {value!r}', remedy)


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Refuses what is none of a few values."""
    if value not in list(choices):  # a list is no key of a dict
        raise UserError(f'{name} must be one of {list(choices)}, got {value!r}.')


def check_known(
    place: str,
    given: Iterable[str],
    accepted: Sequence[str],
    what: str = 'argument',
    others: bool = False,
) -> None:
    """Refuses the first name that is not accepted, with the nearest one that is.

    ``place`` is what the names were given to, the beginning of the message, ``what`` what such a
    name is called. With ``others`` any other may be given, unless it is a typo of an accepted one.
    """
    for name in map(str, given):
        typo = difflib.get_close_matches(name, accepted, 1, _TYPO)
        if name not in accepted and (typo or not others):
            near = nearest(name, accepted)
            raise UserError(
                f'{place} has no {what} {name!r}.{near} It takes {list(accepted)}'
                f'{"; a class of your own lists others in its signature" * others}.'
            )


def check_arguments(
    name: str, setting: object, kind: Callable, without: Sequence[str] = ()
) -> None:
    """Refuses a setting that is not a dict of arguments of ``kind``.

    ``without`` names arguments that are set elsewhere.
    """
    called = getattr(kind, '__name__', str(kind))
    if not isinstance(setting, Mapping):
        raise UserError(f'{name} must be a dict of arguments of {called}, got {setting!r}.')
    accepted, others = accepted_arguments(kind)
    known = [one for one in accepted if one not in without]
    check_known(f'{name}: {called}', setting, known, others=others)


def check_entries(
    name: str,
    setting: Mapping,
    called: str,
    accepted: Sequence[str],
    what: str = 'argument',
    others: bool = False,
) -> None:
    """:func:`check_known` for the keys of a dict; the message has the key's path and value."""
    for key, value in setting.items():
        shown = f'{name}.{key}={reprlib.repr(value)}: {called}'
        check_known(shown, [key], accepted, what, others)


def check_keys(name: str, setting: object, accepted: Sequence[str]) -> None:
    """Refuses a setting that is neither None nor a dict of some of the accepted keys."""
    if setting is not None and not isinstance(setting, Mapping):
        raise UserError(f'{name} must be a dict of {list(accepted)} or None, got {setting!r}.')
    check_entries(name, setting or {}, name, accepted, 'key')


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean '...'?`` with the nearest of the known names, or nothing."""
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f' Did you mean {by_lower[near[0]]!r}?' if near else ''


def accepted_arguments(kind: Callable) -> tuple[list[str], bool]:
    """What a class or function can be called with by name, and whether there may be other names.

    ``**kwargs`` of a class is followed into its base classes. One from outside the host and mmkd
    may take names out of it on the way.
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
    if rule[0] == '>':
        sign, low = rule.split()
        return float(low), sign == '>=', math.inf, False
    low, high = rule[1:-1].split(', ')
    return float(low), rule[0] == '[', float(high), rule[-1] == ']'


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
