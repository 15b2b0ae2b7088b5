"""Files that are either the old one or the new one, never half of it."""

import os
from contextlib import suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

ATOMIC_BACKEND = 'mmkd_atomic_local'


def write_atomically(data: bytes, path: str | Path) -> None:
    """Writes ``data`` to a temporary name in the folder of ``path``, flushes it, then moves it.

    A kill at any point leaves the old file or the new one below ``path``. The temporary name is
    always the same (``path`` and ``.tmp``), so that what a kill left behind is overwritten by the
    next write instead of piling up.

    Raises:
        OSError: The file cannot be written, as on a full disk. The temporary file is removed, what
            was at ``path`` is untouched, and the message says both.
    """
    path = Path(path)
    temporary = path.with_name(path.name + '.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # none was made, or the folder is gone
            temporary.unlink()
        kept = 'The earlier file is kept' if path.exists() else 'Nothing was written'
        raise OSError(
            error.errno,
            f'could not write {len(data)} bytes to {path}: {error.strerror}. {kept}; free space '
            'in the folder (checkpoints need room for one more than max_keep_ckpts) or name '
            'another folder, then resume from the last checkpoint',
        ) from error


def _flush_folder(folder: Path) -> None:
    """Makes the move itself survive a power cut, where the system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot flush one
        pass
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
