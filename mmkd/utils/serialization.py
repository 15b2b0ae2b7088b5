"""Logs and metas as plain Python and tensors, and back.

``torch.load(..., weights_only=True)`` takes numbers, strings, lists, tuples, dicts and tensors.
MMEngine's message hub holds HistoryBuffers and NumPy values besides; here each becomes a dict with
one marker key, which :func:`from_plain` turns back into the object.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

from mmkd.compat import log_history

from .errors import UserTypeError

_BUFFER, _ARRAY = '__mmkd_history_buffer__', '__mmkd_array__'
_ATOMS = (str, bytes, bool, int, float, complex, type(None))


def logged_metrics(checkpoint: Mapping[str, Any]) -> dict[str, float]:
    """The mAPs that were logged last before a checkpoint was written, by name."""
    scalars = (checkpoint.get('message_hub') or {}).get('log_scalars') or {}
    found: dict[str, float] = {}
    for name, value in scalars.items():
        if name.startswith('val/') and name.endswith('mAP'):
            history = from_plain(value).data[0]
            found |= {name.removeprefix('val/'): float(history[-1])} if len(history) else {}
    return found


class NotPlainError(UserTypeError):
    """A value has no plain form."""


def to_plain(value: Any) -> Any:
    """Copies ``value`` with every part plain; tensors are passed on as they are.

    Subclasses of containers (ConfigDict, defaultdict, named tuples) become their plain base,
    NumPy scalars Python numbers, paths strings.

    Raises:
        NotPlainError: A part of ``value`` has no plain form; the message names its type.
    """
    if type(value) in _ATOMS or isinstance(value, torch.Tensor):
        return value
    if isinstance(value, HistoryBuffer):
        logs, counts = value.data
        return {_BUFFER: [_array(logs), _array(counts), int(value.max_length)]}
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, np.ndarray):
        return {_ARRAY: _array(value)}
    if isinstance(value, Mapping):
        items = ((to_plain(key), to_plain(item)) for key, item in value.items())
        return OrderedDict(items) if isinstance(value, OrderedDict) else dict(items)
    for base in (list, tuple, set):
        if isinstance(value, base):
            return base(to_plain(item) for item in value)
    if isinstance(value, PurePath):
        return str(value)
    for atom in (int, float, str):  # enumerations and the like
        if isinstance(value, atom):
            return atom(value)
    raise NotPlainError(f'{type(value).__module__}.{type(value).__qualname__} has no plain form')


def from_plain(value: Any) -> Any:
    """Inverts :func:`to_plain` for HistoryBuffers and arrays.

    Raises:
        TypeError, ValueError: A part has the marker of one and other content.
    """
    if isinstance(value, Mapping):
        if set(value) == {_BUFFER}:
            logs, counts, max_length = value[_BUFFER]
            return log_history(_numpy(logs), _numpy(counts), max_length)
        if set(value) == {_ARRAY}:
            return _numpy(value[_ARRAY])
        items = ((key, from_plain(item)) for key, item in value.items())
        return OrderedDict(items) if isinstance(value, OrderedDict) else dict(items)
    if type(value) in (list, tuple):
        return type(value)(from_plain(item) for item in value)
    return value


def _array(array: np.ndarray) -> Any:
    """An array as a tensor of its type, or as nested lists where torch has no such type."""
    try:
        return torch.from_numpy(np.array(array))
    except TypeError:  # strings and objects
        return to_plain(array.tolist())


def _numpy(stored: Any) -> np.ndarray:
    return stored.cpu().numpy().copy() if isinstance(stored, torch.Tensor) else np.array(stored)
