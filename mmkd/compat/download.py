"""Files at addresses: fetched whole or not at all, one cached file an address.

Gap: torch.hub caches a file under the last word of its address, keeps a transfer that was cut off,
waits for ever for a server that hangs, and unpacks a zip archive over other cached files.

Removable when torch.hub does none of these.
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

from rich.console import Console
from rich.progress import wrap_file

from ..utils.errors import UserOSError

_TIMEOUT = 15.0
# Public models end in the beginning of their own SHA-256, e.g. resnet18-f37072fd.pth.
_OWN_HASH = re.compile(r'-([0-9a-f]{8,64})\.\w+$')


def cached_file(url: str, folder: Path) -> Path | None:
    """Where the file of an address is, or None where it must be fetched.

    torch.hub's own file of that name is taken where its name tells its hash, and the hash is right.
    """
    path = _place(url, folder)
    if path.is_file():
        return path
    plain = folder / _name(url)
    announced = _OWN_HASH.search(plain.name)
    if announced and plain.is_file():
        if hashlib.sha256(plain.read_bytes()).hexdigest().startswith(announced[1]):
            return plain
    return None


def fetch(url: str, folder: Path, read: Callable[[str], Any], progress: bool) -> Any:
    """Downloads a file, reads it, and keeps it for the next time if it could be read.

    ``read`` is given the path of the complete file, and its answer returned; ``folder`` holds the
    cached files; ``progress`` shows a bar on stderr.

    Raises:
        OSError: It cannot be fetched, or not whole; names the address.
    """
    part = folder / f'{uuid4().hex}.part'
    try:
        try:
            _transfer(url, part, progress)
        except (OSError, HTTPException, ValueError) as error:
            raise UserOSError(
                f'The checkpoint {url} cannot be fetched: {str(error) or type(error).__name__}. '
                f'Check the address, the network and the room in {folder}, or download it and give '
                'the path.'
            ) from error
        content = read(str(part))
        part.replace(_place(url, folder))
        return content
    finally:
        part.unlink(missing_ok=True)


def _transfer(url: str, part: Path, progress: bool) -> None:
    """Writes what the server sends."""
    part.parent.mkdir(parents=True, exist_ok=True)
    request = Request(url, headers={'User-Agent': 'mmkd'})
    with urlopen(request, timeout=_TIMEOUT) as response, open(part, 'xb') as file:
        announced = response.headers.get('Content-Length')
        with wrap_file(
            response,
            int(announced or 0),
            description=_name(url),
            console=Console(stderr=True),
            disable=not progress,
        ) as reader:
            shutil.copyfileobj(reader, file)
        if announced is not None and file.tell() != int(announced):
            raise UserOSError(f'the connection ended after {file.tell()} of {announced} bytes')


def _place(url: str, folder: Path) -> Path:
    """A name that no other address has."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    name = Path(_name(url))
    return folder / f'{name.stem}.at-{digest}{name.suffix}'


def _name(url: str) -> str:
    """The last word of the address, fit for a file."""
    word = re.split(r'[?#]', url)[0].rsplit('/', 1)[-1]
    return re.sub(r'[^\w.-]', '_', word)[-100:] or 'checkpoint'
