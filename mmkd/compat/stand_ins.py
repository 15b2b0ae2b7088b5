"""NumPy arrays, NumPy scalars and log histories, rebuilt from a checkpoint's pickle as data.

Gap: files that MMEngine writes hold ``HistoryBuffer`` objects, NumPy arrays and scalars, and a
pickled ``getattr`` for HistoryBuffer's statistics. torch's restricted unpickler refuses them all,
and told to allow the types themselves it would hand any state to their ``__setstate__``, which
believes it: a NumPy type changed after the fact overwrites memory, a HistoryBuffer's state
replaces statistics of all of them. So each name that such a pickle calls is answered by a stand-in
that takes plain numbers and strings alone; :func:`without_stand_ins` puts the real objects in.

Removable when MMEngine saves its message hub as plain data and nobody loads older files.
"""

import itertools
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from ..utils.errors import UserError

_STATISTICS = ('min', 'max', 'current', 'mean')
_PLAIN = re.compile(r'b1|[iu][1248]|f(2|4|8|16)|c(8|16|32)|[SU]\d{1,6}')
# Far above any checkpoint; a pickle that holds itself, or one list a billion times, ends here.
_DEPTH, _PARTS = 64, 1 << 17


class _StandIn:
    """Takes an object's place until its state is known."""

    __hash__ = None  # type: ignore[assignment]
    value: Any = None


class _DType(_StandIn):
    """``numpy.dtype`` of a plain number or string."""

    def __init__(self, name: object, align: bool = False, copy: bool = False) -> None:
        if not isinstance(name, str) or not _PLAIN.fullmatch(name):
            raise refusal(f'numpy.dtype of {name!r}')
        self.value = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        """Takes the byte order; the rest follows from the name."""
        self.value = self.value.newbyteorder(state[1])


class _Array(_StandIn):
    """``numpy.ndarray`` of a plain type."""

    def __setstate__(self, state: tuple) -> None:
        """Takes (version, shape, type, whether columns come first, bytes)."""
        _, shape, dtype, fortran, data = state
        self.value = _filled(shape, dtype, data, 'F' if fortran else 'C')


class _History(_StandIn):
    """``mmengine.logging.HistoryBuffer``."""

    def __setstate__(self, state: dict) -> None:
        """Takes two lists of numbers and their greatest length; statistics are the class's."""
        logs, counts = (state[key].value for key in ('_log_history', '_count_history'))
        self.value = log_history(logs, counts, state['max_length'])


def log_history(logs: np.ndarray, counts: np.ndarray, max_length: int) -> HistoryBuffer:
    """A HistoryBuffer of two (N,) arrays of numbers.

    Raises:
        ValueError: They are anything else.
    """
    numeric = all(
        isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in 'biuf'
        for part in (logs, counts)
    )
    if not numeric or len(logs) != len(counts) or type(max_length) is not int or max_length < 1:
        raise UserError('a log history in it is not two lists of numbers of one length')
    return HistoryBuffer(logs, counts, max_length)


def _reconstruct(kind: type, shape: object, code: object) -> _Array:
    if kind is not _Array:
        raise refusal('numpy._reconstruct of another type than ndarray')
    return _Array()


def _scalar(dtype: _DType, data: bytes = b'') -> Any:
    return _filled((), dtype, data, 'C')[()]


def _filled(shape: tuple, dtype: _DType, data: bytes, order: Any) -> np.ndarray:
    """An array that owns its memory."""
    if type(dtype) is not _DType or type(data) is not bytes:
        raise refusal('numpy.ndarray of anything but plain numbers or strings')
    if dtype.value.itemsize * math.prod(shape) != len(data):
        raise UserError(f'an array of {shape} in it has {len(data)} bytes')
    return np.ndarray(shape, dtype.value, bytearray(data), order=order).copy(order)


def _empty_bytes() -> bytes:
    return b''


def _statistic(owner: object, name: object) -> str:
    """What ``getattr`` may answer in a checkpoint: HistoryBuffer's own statistics."""
    if owner is not _History or name not in _STATISTICS:
        raise refusal(f'builtins.getattr of {name!r}')
    return str(name)


def refusal(what: str) -> pickle.UnpicklingError:
    """The error of a pickle that asks for more than data, in torch's words."""
    return pickle.UnpicklingError(f'Unsupported global: GLOBAL {what}')


STAND_INS: dict[str, Callable[..., Any]] = {
    'numpy.ndarray': _Array,
    'numpy.dtype': _DType,
    **{f'numpy.{core}.multiarray._reconstruct': _reconstruct for core in ('core', '_core')},
    **{f'numpy.{core}.multiarray.scalar': _scalar for core in ('core', '_core')},
    'mmengine.logging.history_buffer.HistoryBuffer': _History,
    'builtins.getattr': _statistic,
    'builtins.bytes': _empty_bytes,
}
"""What answers in place of a global that a checkpoint's pickle names."""


def without_stand_ins(content: Any) -> Any:
    """What a checkpoint holds, with the real objects in place of stand-ins; dicts are changed.

    Raises:
        ValueError: A stand-in got no state, a tensor has no data, a function or an unknown
            attribute is left, or the content is nested or repeated without end.
    """
    seen = itertools.count()
    path: list[Any] = []

    def place() -> str:
        return ''.join(f'[{key!r}]' for key in path) or 'its top'

    def visit(value: Any) -> Any:
        if len(path) > _DEPTH or next(seen) > _PARTS:
            raise UserError(f'it is nested deeper than {_DEPTH} or has more than {_PARTS} parts')
        if isinstance(value, _StandIn):
            if value.value is None:
                raise UserError(f'the array at {place()} has no content')
            return value.value
        if isinstance(value, torch.Tensor):
            if value.is_meta or value.layout is not torch.strided:
                raise UserError(
                    f'the tensor at {place()} is sparse or on the device meta, where it has no data'
                )
            vars(value).clear()  # a file's attributes could hide methods
        elif isinstance(value, dict):
            if not _is_plain(value):
                raise UserError(f'{place()} has attributes that a state_dict lacks')
            for key, item in list(value.items()):
                value[visit(key)] = within(key, item)
        elif type(value) in (list, tuple):
            return type(value)(itertools.starmap(within, enumerate(value)))
        elif callable(value):
            raise UserError(f'a function or a class stands at {place()}')
        return value

    def within(key: Any, value: Any) -> Any:
        path.append(key)
        found = visit(value)
        path.pop()
        return found

    return visit(content)


def _is_plain(value: dict) -> bool:
    """Whether it has no attributes, or as an OrderedDict's the versions of layers alone."""
    attributes = dict(vars(value)) if isinstance(value, OrderedDict) else {}
    versions = attributes.pop('_metadata', {})
    return (
        not attributes
        and isinstance(versions, dict)
        and all(
            isinstance(entry, dict) and isinstance(entry.get('version'), int | None)
            for entry in versions.values()
        )
    )
