"""Files that a command writes, and never over one that is there without being told to."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from ..utils.errors import UserFileExistsError

Outcome = Literal['written', 'there', 'replaced']
"""What became of a file: it is new, it was there with this very content, or it held another."""


def write_new(path: str | Path, content: str | bytes, *, force: bool = False) -> None:
    """Writes a file, and its folder: a reader finds the old one or the new one, never a part.

    A file that exists is an error, unless ``force`` replaces it.
    """
    path = Path(path)
    refuse_to_replace(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(_bytes(content))


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that gets its name when it is whole; what an error leaves is removed.

    Until then it has a name that nobody can foresee, and so cannot have planted a link under.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix='.part', delete=False) as file:
        part = Path(file.name)
        try:
            yield file
            file.flush()
            part.chmod(0o644)
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def write_once(path: str | Path, content: str | bytes, *, force: bool = False) -> Outcome:
    """:func:`write_new`, which leaves a file alone that has the content already.

    So an interrupted command can be called again, and goes on where it stopped.
    """
    path, data = Path(path), _bytes(content)
    if not path.exists():
        write_new(path, data)
        return 'written'
    if path.stat().st_size == len(data) and path.read_bytes() == data:
        return 'there'
    if not force:
        raise UserFileExistsError(
            f'{path} exists with another content: move it away, or replace it with --force.'
        )
    write_new(path, data, force=True)
    return 'replaced'


def refuse_to_replace(path: str | Path, *, force: bool) -> None:
    """Looks before the work is done whether its file can be written; else it is an error."""
    if Path(path).exists() and not force:
        raise UserFileExistsError(f'{path} exists: name another file, or replace it with --force.')


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
