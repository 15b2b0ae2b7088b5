"""Files that are either the old one or the new one, never half of it."""

import os
import platform
from contextlib import suppress
from glob import escape
from itertools import count
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from .errors import UserOSError

ATOMIC_BACKEND = 'mmkd_atomic_local'
_numbers = count()


def write_atomically(data: bytes, path: str | Path) -> None:
    """Writes ``data`` to a temporary name in the folder of ``path``, flushes it, then moves it.

    A kill at any point leaves the old file or the new one below ``path``, also where several
    processes write it: each has a temporary name of its own (``path``, host, process, number and
    ``.tmp``). What a killed process left is removed by the next write of ``path`` on that host.

    Raises:
        OSError: The file cannot be written, as on a full disk. The temporary file is removed, what
            was at ``path`` is untouched, and the message says both.
    """
    path = Path(path)
    own = f'{path.name}.{platform.node()}'
    temporary = path.with_name(f'{own}.{os.getpid()}.{next(_numbers)}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path.parent, own)
        with open(temporary, 'xb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        kept = 'The earlier file is kept' if path.is_file() else 'There is no earlier one'
        raise UserOSError(
            f'could not write {len(data)} bytes to {path}: {error.strerror}. {kept}; free space '
            'in the folder (checkpoints need room for one more than max_keep_ckpts) or name '
            'another folder, then resume from the last checkpoint.'
        ) from error
    finally:
        with suppress(OSError):  # it was moved, or never made
            temporary.unlink()


def _remove_left_behind(folder: Path, own: str) -> None:
    """Removes the temporary files of processes of this host that are no more."""
    for path in folder.glob(f'{escape(own)}.*.*.tmp'):
        with suppress(OSError, ValueError, OverflowError):  # another was faster; no such file
            process = int(path.name.split('.')[-3])
            try:
                os.kill(process, 0)  # asks only whether there is one
            except ProcessLookupError:
                path.unlink()


def _flush_folder(folder: Path) -> None:
    """Makes the move itself survive a power cut, where the system lets a folder be opened."""
    with suppress(OSError):  # Windows opens no folders, some network file systems flush none
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@register_backend(ATOMIC_BACKEND, force=True)
class AtomicLocalBackend(LocalBackend):
    """MMEngine's local storage with :func:`write_atomically` in place of a plain write.

    Named by ``backend_args=dict(backend='mmkd_atomic_local')`` wherever MMEngine takes some.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes ``obj`` to ``filepath``; see :func:`write_atomically`."""
        write_atomically(obj, filepath)
