"""Reads checkpoints as data: bounded, checked, ``weights_only=True``, with errors that explain.

Gap: torch loads an archive whose checksums are wrong, and fails on files that are no checkpoints
in twenty ways; MMEngine's own files hold what its restricted unpickler refuses, see ``stand_ins``.

Removable when MMEngine saves its message hub as plain data and nobody loads older files, except
for the checks of the archive.
"""

import errno
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import torch

from ..utils.errors import UserError, UserOSError
from .stand_ins import STAND_INS, without_stand_ins

# torch's words for a pickle that names or calls something outside the allow-list, and for the
# operations 140 to 149, which pickle protocol 4 has and torch.save does not write.
_REFUSALS = re.compile(r'GLOBAL \S|Trying to|Can only|Unsupported operand 14\d')
_GLOBAL = re.compile(r'GLOBAL (.+?)(?: was not|$)', re.MULTILINE)
_BOILERPLATE = ('Weights only load failed', 'Check the documentation', 'Please file an issue')
_NO_DEVICE = 'Attempting to deserialize object on'
_NEW_TORCH = 'Load it with the torch that wrote it, and torch.save its state_dict().'
_MEMORY = (
    'it asks for more memory than there is',
    'Free some; if the file is not that large, it is damaged: download or write it again.',
)
# What is wrong and the remedy, by a word of the error.
_EXPLAINED = {
    'TorchScript': ('it is a TorchScript program (torch.jit.save)', _NEW_TORCH),
    'legacy .tar': ('it has the tar format of torch before 0.4', _NEW_TORCH),
    'other files': ('it is a zip archive of other files', 'Unpack it and give the file in it.'),
    'MemoryError': _MEMORY,
    'allocate memory': _MEMORY,
}


class UnsafeCheckpointError(UserError):
    """A checkpoint holds a pickle that is more than data, and none of it was run."""


class DamagedCheckpointError(UserError):
    """A file cannot be read, or cannot be used, as a checkpoint."""


def safe_load(file: str | BinaryIO, map_location: Any, name: str) -> Any:
    """``torch.load`` of data alone.

    ``map_location`` is as in ``torch.load``; ``name`` is how error messages call the file.

    Raises:
        UnsafeCheckpointError: The file wants code to run; nothing of it ran.
        DamagedCheckpointError: The file is cut off, damaged or is not a checkpoint.
        OSError: It may not be read.
    """
    try:
        _check_archive(file)
        with _stand_ins_allowed(), warnings.catch_warnings():
            warnings.simplefilter('ignore')  # torch asks the user to file an issue
            content = torch.load(file, map_location=map_location, weights_only=True)
        return without_stand_ins(content)
    except Exception as error:
        # What a damaged pickle raises has no end; what is not the file's fault is known.
        if isinstance(error, torch.OutOfMemoryError) or str(error).startswith(_NO_DEVICE):
            raise
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise UserOSError(
                printable(f'The checkpoint {name} cannot be read: {error.strerror}.')
            ) from error
        if isinstance(error, pickle.UnpicklingError) and _REFUSALS.search(str(error)):
            raise UnsafeCheckpointError(printable(_refusal(name, str(error)))) from error
        raise DamagedCheckpointError(printable(_damage(name, error))) from error


def printable(text: str) -> str:
    """``text`` with escape sequences spelt out, which a terminal would obey; line breaks stay."""
    return ''.join(
        char
        if char.isprintable() or char == '\n'
        else char.encode('unicode_escape', 'surrogatepass').decode()
        for char in text
    )


@contextmanager
def _stand_ins_allowed() -> Iterator[None]:
    """Has torch answer :data:`STAND_INS`, also where the same names were allowed otherwise."""
    before = torch.serialization.get_safe_globals()
    named = (
        (f'{entry.__module__}.{entry.__qualname__}', entry)
        if not isinstance(entry, tuple)
        else (entry[1], entry)
        for entry in before
    )
    others = [entry for name, entry in named if name not in STAND_INS]
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(
        others + [(answer, name) for name, answer in STAND_INS.items()]
    )
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _check_archive(file: str | BinaryIO) -> None:
    """Bounds and checks a zip archive before anything of it is loaded; older formats are no zips.

    Raises:
        ValueError: It is larger unpacked than the file, which torch.save never compresses; it is
            not torch's, or a part differs from its checksum.
    """
    if isinstance(file, str):
        with open(file, 'rb') as opened:
            return _check_archive(opened)
    if file.read(4) == b'PK\x03\x04':
        size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            declared = sum(part.file_size for part in archive.infolist())
            if declared > size or len(set(names)) < len(names):
                raise UserError(f'its parts claim {declared} bytes, and the file has {size}')
            if any(name.endswith('/constants.pkl') for name in names):
                raise UserError('TorchScript')
            if not any(name.endswith('/data.pkl') for name in names):
                raise UserError('other files')
            damaged = archive.testzip()
            if damaged is not None:
                raise UserError(f'the part {damaged} differs from its checksum')
    file.seek(0)


def _refusal(name: str, message: str) -> str:
    """The text of an UnsafeCheckpointError."""
    found = _GLOBAL.search(message)
    what = f'it asks for {found[1]}' if found else 'its pickle does more than hold data'
    return (
        f'The checkpoint {name} was refused: it contains pickled code or objects ({what}), '
        'and mmkd loads checkpoints as data only (weights_only=True). Nothing of it was run. '
        'Use a file with weights only; if you trust its source, load it yourself with '
        "torch.load(..., weights_only=False) and save {'state_dict': ...} of it."
    )


def _damage(name: str, error: Exception) -> str:
    """The text of a DamagedCheckpointError."""
    for word, (what, remedy) in _EXPLAINED.items():
        if word in f'{type(error).__name__} {error}':
            return f'The checkpoint {name} cannot be read: {what}. {remedy}'
    return (
        f'The checkpoint {name} cannot be read: it is damaged, cut off or was not written by '
        f'torch.save ({_detail(error)}). Download or write it again.'
    )


def _detail(error: Exception) -> str:
    """The line of a message that says something; a bare word with the kind of error."""
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_BOILERPLATE)]
    detail = telling[0][:200] if telling else ''
    return detail if ' ' in detail else f'{type(error).__name__} {detail}'.strip()
