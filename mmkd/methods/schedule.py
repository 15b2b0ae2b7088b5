"""Numbers that change while training: the weight of any method, Chen's mu and nu."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmkd.observation import Batch
from mmkd.settings import check_flag, check_number
from mmkd.utils.errors import UserError

ScheduleSetting = float | Mapping | Sequence[Mapping]
"""A number, one piece, or a list of pieces; see :class:`Schedule`."""

_NEEDED = {
    'constant': {'value'},
    'linear': {'start', 'stop'},
    'cosine': {'start', 'stop'},
    'warmup': {'value', 'end'},
    'stop': {'begin'},
}
_TIMES = {'begin', 'end', 'by_epoch'}


@dataclass(frozen=True)
class _Piece:
    start: float
    stop: float
    begin: int
    end: int | None
    by_epoch: bool
    cosine: bool

    def time(self, batch: Batch) -> int:
        return batch.epoch if self.by_epoch else batch.step

    def value(self, batch: Batch) -> float:
        time = self.time(batch)
        end = self.end or (batch.max_epochs if self.by_epoch else batch.max_steps)
        if self.start == self.stop or time <= self.begin or not end:
            return self.start
        if time >= end:
            return self.stop
        passed, length = time - self.begin, end - self.begin
        if self.cosine:
            share = (1 - math.cos(math.pi * passed / length)) / 2
        else:
            share = passed / (length - 1)
        return self.start + (self.stop - self.start) * share


def logged(value: float | Tensor) -> Tensor:
    """A scalar for the log, single precision."""
    return torch.as_tensor(value, dtype=torch.float32)


class Schedule:
    """A number >= 0 as a function of the training's progress.

    The setting is a number, or a piece, or a list of pieces of which the last that has begun
    counts. ``begin``, ``end`` and ``by_epoch`` (default True) mean what they mean in MMEngine's
    schedulers: 0-based epochs or iterations, ``end`` excluded; without ``end`` a piece lasts until
    the end of training. Before ``begin`` the first piece has its first value, from ``end`` on the
    last one its last. Pieces:

    * ``dict(type='constant', value=v)``
    * ``dict(type='linear', start=a, stop=b)`` reaches b in the last step before ``end``, as
      MMEngine's ``LinearParamScheduler``
    * ``dict(type='cosine', start=a, stop=b)``, half a period, as ``CosineAnnealingParamScheduler``
    * ``dict(type='warmup', value=v, end=n)``: linear from 0 to v
    * ``dict(type='stop', begin=n)``: 0

    Args:
        setting: See above.
        name: Name of the setting, for errors.

    Attributes:
        constant: Whether the value never changes.
        lowest: Smallest value that it can take.
        highest: Largest value that it can take.

    Raises:
        ValueError: A value is not a number >= 0, a piece is unknown, or lacks or has too many
            keys.
    """

    def __init__(self, setting: ScheduleSetting, name: str) -> None:
        if isinstance(setting, Mapping):
            setting = [setting]
        elif isinstance(setting, str) or not isinstance(setting, Sequence):
            check_number(name, setting, '>= 0')
            setting = [dict(type='constant', value=setting)]
        if not setting:
            raise UserError(f'{name} is an empty list: give a number or at least one piece.')
        self._pieces = [_piece(entry, name) for entry in setting]
        values = [value for piece in self._pieces for value in (piece.start, piece.stop)]
        self.lowest, self.highest = min(values), max(values)
        self.constant = self.lowest == self.highest

    def __call__(self, batch: Batch) -> float:
        """The value for a batch, by its ``step`` and ``epoch``."""
        begun = [piece for piece in self._pieces if piece.time(batch) >= piece.begin]
        return (begun[-1] if begun else self._pieces[0]).value(batch)


def _piece(entry: Mapping, name: str) -> _Piece:
    if not isinstance(entry, Mapping):
        raise UserError(
            f'{name}: a piece must be a dict with type of {sorted(_NEEDED)}, got {entry!r}.'
        )
    kind = entry.get('type')
    if kind not in _NEEDED:
        raise UserError(
            f'{name}: type must be one of {sorted(_NEEDED)}, got {kind!r} in {dict(entry)}.'
        )
    given = set(entry) - {'type'}
    lacking, unknown = _NEEDED[kind] - given, given - _NEEDED[kind] - _TIMES
    if lacking or unknown:
        raise UserError(
            f'{name}: a {kind!r} piece needs {sorted(_NEEDED[kind])} and takes {sorted(_TIMES)}, '
            f'got {sorted(given)}.'
        )
    for key in ('value', 'start', 'stop'):
        if key in entry:
            check_number(f'{name}: {key}', entry[key], '>= 0')
    begin, end, by_epoch = entry.get('begin', 0), entry.get('end'), entry.get('by_epoch', True)
    check_flag(f'{name}: by_epoch', by_epoch)
    check_number(f'{name}: begin', begin, '>= 0', whole=True)
    if end is not None:
        check_number(f'{name}: end', end, '>= 1', whole=True)
    if end is not None and end <= begin:
        raise UserError(f'{name}: 0 <= begin < end is needed, got begin={begin}, end={end}.')
    start = entry.get('start', 0.0 if kind in ('warmup', 'stop') else entry.get('value'))
    stop = entry.get('stop', 0.0 if kind == 'stop' else entry.get('value'))
    return _Piece(start, stop, begin, end, by_epoch, kind == 'cosine')
