"""Whether a complete file is what it should be."""

import hashlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .catalogue import Item

_CHUNK = 1 << 20


def fault_of(
    path: Path, item: Item, on_bytes: Callable[[int, int], None] = lambda done, total: None
) -> str | None:
    """What is wrong with a file by its MD5, else by the checksums inside a zip, else by its length.

    ``path`` is complete and of any name; ``on_bytes`` is called with the bytes that were looked at
    and those to look at.
    """
    if item.md5 is not None:
        found = _md5(path, on_bytes)
        return None if found == item.md5 else f'its MD5 is {found}, published is {item.md5}'
    if item.name.endswith('.zip'):
        return _fault_of_zip(path, on_bytes)
    return None if os.path.getsize(path) else 'it is empty'


def _md5(path: Path, on_bytes: Callable[[int, int], None]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, 'rb') as file:
        for chunk in _chunks(file):
            digest.update(chunk)
            on_bytes(file.tell(), os.path.getsize(path))
    return digest.hexdigest()


def _fault_of_zip(path: Path, on_bytes: Callable[[int, int], None]) -> str | None:
    """Reads every member, as zipfile compares its checksum at the end."""
    done = 0
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
            for member in archive.infolist():
                try:
                    with archive.open(member) as file:
                        for chunk in _chunks(file):
                            done += len(chunk)
                            on_bytes(done, total)
                except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError):
                    return f'{member.filename} in it is damaged'
                except RuntimeError as error:  # encrypted, or compressed in an unknown way
                    return f'{member.filename} in it cannot be read ({error})'
    except zipfile.BadZipFile as error:
        return f'it is not a zip archive ({error})'
    return None


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(_CHUNK), b'')
