"""Archives opened into a folder that may hold files already."""

import gzip
import lzma
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from ...utils.errors import UserError, UserFileExistsError
from ..writing import whole_file

ARCHIVES = ('.zip', '.tar', '.tar.gz', '.tgz')
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
)


class _Member(NamedTuple):
    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: str | Path, folder: str | Path, on_file: Callable[[], None] = lambda: None
) -> tuple[int, int]:
    """Writes the files of an archive; one that is there with its length is left as it is.

    ``on_file`` is called after each file.

    Returns:
        Files written, and files that were there.

    Raises:
        FileExistsError: A file of another length has a member's name.
        ValueError: It is not an archive, is damaged, or has a member that would leave the folder,
            is neither file nor folder (a link, a device), is encrypted, is compressed in an unknown
            way, or clashes with another on some file systems. Nothing was written then.
    """
    try:
        return _unpack(Path(archive), Path(folder), on_file)
    except _DAMAGED as error:
        reason = str(error).split('\n')[0].rstrip(':')
        raise UserError(
            f'{archive} is damaged or no archive ({reason}): move it away and fetch it again.'
        ) from error


def _unpack(archive: Path, folder: Path, on_file: Callable[[], None]) -> tuple[int, int]:
    _check_names(archive, folder)
    written = there = 0
    for member in _members(archive):
        target = _inside(folder, member.name, archive)
        if target.exists():
            if not target.is_file() or target.stat().st_size != member.size:
                raise UserFileExistsError(
                    f'{target} is not the file of {archive}: move it away, nothing is overwritten.'
                )
            there += 1
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, whole_file(target) as file:
                shutil.copyfileobj(source, file, 1 << 20)
            written += 1
        on_file()
    return written, there


def _check_names(archive: Path, folder: Path) -> None:
    """Looks at every member before the first is written."""
    files: dict[tuple[str, ...], str] = {}
    folders: dict[tuple[str, ...], str] = {}
    for member in _members(archive):
        _inside(folder, member.name, archive)
        parts = [part for part in member.name.split('/') if part not in ('', '.')]
        # As file systems that ignore case, or drop dots and spaces at the end, see it.
        key = tuple(unicodedata.normalize('NFC', part).rstrip('. ').casefold() for part in parts)
        above = {key[:depth]: member.name for depth in range(1, len(key))}
        clash = files.get(key) or folders.get(key)
        clash = clash or next((files[outer] for outer in above if outer in files), None)
        if clash is not None:
            raise UserError(
                f'{archive} holds {clash!r} and {member.name!r}, which are one place on some file '
                'systems: not unpacked. Fetch it again, or unpack it by hand.'
            )
        files[key] = member.name
        folders.update(above)


def _members(archive: Path) -> Iterator[_Member]:
    """Regular files, in the order of the archive; folders are made for them, others refused."""
    if archive.name.endswith('.zip'):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                for refused, what in (
                    (kind not in (0, stat.S_IFREG, stat.S_IFDIR), 'is a link or a device'),
                    (info.flag_bits & 1, 'is encrypted'),
                    (info.compress_type not in _COMPRESSIONS, 'is compressed in an unknown way'),
                ):
                    if refused:
                        raise _foreign(archive, info.filename, what)
                if not info.is_dir():
                    yield _Member(info.filename, info.file_size, partial(opened.open, info))
    elif archive.name.endswith(ARCHIVES):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if entry.isfile():
                    yield _Member(entry.name, entry.size, partial(_stream, tar, entry))
                elif not entry.isdir():
                    raise _foreign(archive, entry.name, 'is a link or a device')
    else:
        raise UserError(f'{archive} is none of {ARCHIVES}.')


def _foreign(archive: Path, name: str, what: str) -> UserError:
    return UserError(
        f'{archive} holds {name!r}, which {what}: not unpacked. Fetch it again, or unpack it by '
        'hand.'
    )


def _stream(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(entry)
    assert stream is not None  # a regular file has one
    return stream


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """The member's place, refused where it is outside the folder."""
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f'{archive} holds {name!r}, which would leave {folder}: not unpacked.')
    return target
