"""Reads checkpoints as data: ``weights_only=True``, and errors that say what is wrong.

Gap: files that MMEngine writes hold ``HistoryBuffer`` objects, NumPy arrays and scalars, and a
pickled ``getattr`` for HistoryBuffer's statistics, none of which torch's restricted unpickler
accepts. The types are allow-listed here under the names of NumPy 1 and 2, and ``getattr`` is
answered by a function that knows those four statistics alone.

Removable when MMEngine saves its message hub as plain data and nobody loads older files.
"""

import errno
import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_STATISTICS = ('min', 'max', 'current', 'mean')
_NUMBERS = ('bool', 'int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64',
            'float16', 'float32', 'float64', 'str', 'bytes')
_MULTIARRAY = ('numpy.core.multiarray', 'numpy._core.multiarray')

# torch's words for a pickle that names or calls something outside the allow-list, and for the
# operations 140 to 149, which pickle protocol 4 has and torch.save does not write.
_REFUSALS = re.compile(r'GLOBAL \S|Trying to|Can only|Unsupported operand 14\d')
_DAMAGE = re.compile(r'PytorchStreamReader|unexpected pos|magic number|[Cc]orrupt|unexpected EOF')
_GLOBAL = re.compile(r'GLOBAL (\S+)')
_BOILERPLATE = ('Weights only load failed', 'Check the documentation', 'Please file an issue')


class UnsafeCheckpointError(ValueError):
    """A checkpoint holds a pickle that is more than data, and none of it was run."""


class DamagedCheckpointError(ValueError):
    """A file cannot be read as a checkpoint."""


def _history_statistic(owner: object, name: str) -> Callable[..., Any]:
    """What ``getattr`` may answer in a checkpoint: HistoryBuffer's own statistics."""
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'mmkd refuses GLOBAL builtins.getattr of {name!r}')
    return getattr(HistoryBuffer, name)


def allow_mmengine_checkpoints() -> None:
    """Adds what MMEngine's checkpoints hold to torch's list of safe globals."""
    array = np.zeros(1)
    reconstruct: Any = array.__reduce__()[0]
    scalar: Any = array[0].__reduce__()[0]
    torch.serialization.add_safe_globals([
        HistoryBuffer, np.ndarray, np.dtype,
        *{type(np.dtype(name)) for name in _NUMBERS},
        *((reconstruct, f'{module}._reconstruct') for module in _MULTIARRAY),
        *((scalar, f'{module}.scalar') for module in _MULTIARRAY),
        (_history_statistic, 'builtins.getattr'),
    ])


def safe_load(file: str | BinaryIO, map_location: Any, name: str) -> Any:
    """``torch.load`` of data alone.

    Args:
        file: Path or open file.
        map_location: As in ``torch.load``.
        name: How error messages call the file.

    Raises:
        UnsafeCheckpointError: The file wants code to run; nothing of it ran.
        DamagedCheckpointError: The file is cut off or is no checkpoint.
    """
    with explained_errors(name):
        return torch.load(file, map_location=map_location, weights_only=True)


class explained_errors:  # noqa: N801  reads as a function in a with statement
    """Context that turns torch's loading errors into ones that name the file and the remedy."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        """Raises the explained error in place of a loading error; lets others pass."""
        if isinstance(error, pickle.UnpicklingError) and _REFUSALS.search(str(error)):
            raise UnsafeCheckpointError(_refusal(self.name, str(error))) from error
        if _is_damage(error):
            raise DamagedCheckpointError(
                f'The checkpoint {self.name} cannot be read: it is damaged, cut off or was not '
                f'written by torch.save ({_detail(error)}). Download or write it again.') from error


def _refusal(name: str, message: str) -> str:
    """The text of an UnsafeCheckpointError."""
    found = _GLOBAL.search(message)
    what = f'it asks for {found[1]}' if found else 'its pickle does more than hold data'
    return (f'The checkpoint {name} was refused: it contains pickled code or objects ({what}), '
            'and mmkd loads checkpoints as data only (weights_only=True). Nothing of it was run. '
            'Use a file with weights only; if you trust its source, load it yourself with '
            "torch.load(..., weights_only=False) and save {'state_dict': ...} of it.")


def _detail(error: BaseException | None) -> str:
    """The line of torch's message that says something, else the kind of error."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_BOILERPLATE)]
    return telling[0][:200] if telling else type(error).__name__


def _is_damage(error: BaseException | None) -> bool:
    """Whether ``error`` says that bytes are wrong, rather than, say, that a device is absent."""
    if isinstance(error, RuntimeError):
        return bool(_DAMAGE.search(str(error)))
    if isinstance(error, OSError):
        return error.errno == errno.EINVAL  # torch seeks for the end of an archive that is cut off
    return isinstance(error, pickle.UnpicklingError | EOFError | KeyError | IndexError)
