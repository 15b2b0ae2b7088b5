"""Archives opened into a folder that may hold files already."""

import gzip
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz')
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


class _Member(NamedTuple):
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: str | Path, folder: str | Path, on_file: Callable[[], None] = lambda: None
) -> tuple[int, int]:
    """Writes the files of an archive; one that is there with its length is left as it is.

    Args:
        archive: A zip or tar file.
        folder: Where its content goes.
        on_file: Called after each file.

    Returns:
        Files written, and files that were there.

    Raises:
        FileExistsError: A file of another length has a member's name.
        ValueError: It is no archive, a damaged one, or a member would leave the folder.
    """
    try:
        return _unpack(Path(archive), Path(folder), on_file)
    except _DAMAGED as error:
        reason = str(error).split('\n')[0].rstrip(':')
        raise ValueError(
            f'{archive} is damaged or no archive ({reason}): move it away and fetch it again.'
        ) from error


def _unpack(archive: Path, folder: Path, on_file: Callable[[], None]) -> tuple[int, int]:
    written = there = 0
    for member in _members(archive):
        target = _inside(folder, member.name, archive)
        if target.exists():
            if not target.is_file() or target.stat().st_size != member.size:
                raise FileExistsError(
                    f'{target} is not the file of {archive}: move it away, nothing is overwritten.'
                )
            there += 1
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f'{target.name}.part')
            with member.open() as source, open(part, 'wb') as file:
                shutil.copyfileobj(source, file, 1 << 20)
            os.replace(part, target)
            written += 1
        on_file()
    return written, there


def _members(archive: Path) -> Iterator[_Member]:
    """Regular files, in the order of the archive."""
    if archive.name.endswith('.zip'):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    yield _Member(info.filename, info.file_size, partial(opened.open, info))
    elif archive.name.endswith(ARCHIVES):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.isfile():
                    yield _Member(entry.name, entry.size, partial(_stream, tar, entry))
    else:
        raise ValueError(f'{archive} is none of {ARCHIVES}.')


def _stream(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(entry)
    assert stream is not None  # a regular file has one
    return stream


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """The member's place, refused where it is outside the folder."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ValueError(f'{archive} holds {name!r}, which would leave {folder}: not unpacked.')
    return target
