"""One file from its address, resumed where it was cut off, checked, and never over another."""

import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from ...settings import check_number
from ...utils.errors import UserConnectionError, UserError, UserFileExistsError, UserOSError
from .catalogue import Item
from .check import fault_of

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be, None if unknown."""

_CHUNK = 1 << 20


class _Interrupted(Exception):
    """The connection ended early; what came is kept."""


def fetch(
    item: Item,
    root: str | Path,
    *,
    retries: int = 5,
    timeout: float = 30.0,
    wait: float = 2.0,
    on_bytes: OnBytes = lambda done, total: None,
    on_check: OnBytes = lambda done, total: None,
    on_retry: Callable[[str], None] = lambda text: None,
) -> tuple[Path, bool]:
    """Downloads a file unless it is there.

    Bytes go to ``NAME.part`` and the file gets its name once it is complete and checked: by the
    published MD5, else by the checksums inside a zip, else by its length. A later call continues a
    part. If the server sends the whole file again, what is there must be its beginning.

    Args:
        item: What to fetch.
        root: Folder of all data sets.
        retries: How often an interrupted transfer is continued.
        timeout: Seconds without a byte after which it counts as interrupted.
        wait: Seconds before the first retry; doubled for each that follows.
        on_bytes: For a progress bar of the transfer.
        on_check: For one of the check that follows, which reads the whole file.
        on_retry: Called before each wait, with what happened and how long it will be.

    Returns:
        The file, and whether it was fetched now.

    Raises:
        FileExistsError: Another file has its name.
        ConnectionError: The server cannot be reached, has no such file, or keeps failing.
        ValueError: What came is not what should have come, ``retries`` is negative, or a link
            stands where the part is written.
        OSError: The disk has no room.
    """
    check_number('retries', retries, '>= 0', whole=True)
    path = Path(root) / item.path
    if path.exists():
        fault = fault_of(path, item, on_check)
        if fault:
            raise UserFileExistsError(
                f'{path} exists but {fault}: move it away to have it downloaded, nothing is '
                'overwritten.'
            )
        return path, False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.part')
    for file in (part, _tag(part)):
        if file.is_symlink():
            raise UserError(
                f'{file} is a link to {os.readlink(file)}, which the download would write over: '
                'remove the link.'
            )
    for attempt in range(retries + 1):
        try:
            _transfer(item.url, part, timeout, on_bytes)
            break
        except _Interrupted as error:
            if attempt == retries:
                raise UserConnectionError(
                    f'{item.url}: {error}. {_length(part)} bytes are in {part}; call again to '
                    'continue.'
                ) from error
            pause = wait * 2**attempt
            on_retry(f'{item.url}: {error}; trying again in {pause:g} s.')
            time.sleep(pause)
    fault = fault_of(part, item, on_check)
    if fault:
        raise UserError(f'{part} is complete but {fault}: delete it and call again.')
    if path.exists():
        raise UserFileExistsError(
            f'{path} was written by another process meanwhile; {part} is left.'
        )
    part.rename(path)
    _tag(part).unlink(missing_ok=True)
    return path, True


def _transfer(url: str, part: Path, timeout: float, on_bytes: OnBytes) -> None:
    """Appends to ``part`` what it lacks."""
    there = _length(part)
    request = urllib.request.Request(url, headers={'User-Agent': 'mmkd'})
    if there:
        request.add_header('Range', f'bytes={there}-')
        if _tag(part).exists():  # else another file of that name could be appended to this one
            request.add_header('If-Range', _tag(part).read_text())
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get('Content-Range') == f'bytes */{there}':
            on_bytes(there, there)
            return  # nothing was left to send
        if error.code >= 500 or error.code in (408, 429):
            raise _Interrupted(f'the server answers {error.code}') from error
        said = f'{error.code} {error.reason}'
        raise UserConnectionError(f'{url}: the server answers {said}.') from error
    except (OSError, HTTPException) as error:
        raise _Interrupted(str(error)) from error
    with response:
        _append(response, part, there, on_bytes)


def _append(response: HTTPResponse, part: Path, there: int, on_bytes: OnBytes) -> None:
    """Writes the answer behind what is there."""
    announced = response.headers.get('Content-Length')
    skipped = 0 if response.status == 206 else there
    total = int(announced) + there - skipped if announced is not None else None
    if total is not None:
        free = shutil.disk_usage(part.parent).free
        if total - there > free:
            raise UserOSError(
                f'{part.parent} has {free >> 20} MiB left, {part.name} lacks '
                f'{total - there >> 20} MiB: make room or choose another folder.'
            )
    if skipped:
        _compare(response, part, skipped)
    tag = response.headers.get('ETag')
    if tag and not tag.startswith('W/'):  # a weak one does not promise the same bytes
        _tag(part).write_text(tag)
    with open(part, 'ab') as file:
        while chunk := _read(response, _CHUNK):
            file.write(chunk)
            there += len(chunk)
            on_bytes(there, total)
    if total is not None and there < total:
        raise _Interrupted(f'the connection ended after {there} of {total} bytes')


def _compare(response: HTTPResponse, part: Path, length: int) -> None:
    """The server sent the file from its beginning: what is there must be the same."""
    with open(part, 'rb') as file:
        while length:
            local = file.read(min(_CHUNK, length))
            remote = b''
            while more := _read(response, len(local) - len(remote)):
                remote += more
            if local != remote:
                raise UserError(
                    f'{part} is not the beginning of what the server has now: move it away and '
                    'call again.'
                )
            length -= len(local)


def _read(response: HTTPResponse, size: int) -> bytes:
    try:
        return response.read(size)
    except (OSError, HTTPException) as error:
        raise _Interrupted(str(error) or type(error).__name__) from error


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tag(part: Path) -> Path:
    """Where the server's name for this very content is kept until the file is complete."""
    return part.with_name(f'{part.name}.etag')
