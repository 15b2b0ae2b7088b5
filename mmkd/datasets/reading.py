"""Files of annotations and the numbers in them; every error names what was read and what it is."""

import json
import math
from pathlib import Path
from typing import Any

from mmengine.fileio import get, isfile

from ..utils.errors import UserError, UserFileNotFoundError

LIMIT = 2**31
"""Beyond any coordinate in pixels: single precision must hold products of them."""


def read_bytes(path: str | Path, backend_args: dict | None = None) -> bytes:
    """The content of a regular file: a pipe in its place would be waited for without end.

    ``backend_args`` are of MMEngine's file backend, here and below; None is the local disk.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be opened.
    """
    if not isfile(path, backend_args=backend_args):
        raise UserFileNotFoundError(f'there is no file {path}.')
    try:
        return get(path, backend_args=backend_args)
    except OSError as error:
        raise UserError(f'{path} cannot be read: {error.strerror or error}.') from None


def read_text(
    path: str | Path, backend_args: dict | None = None, *, encoding: str = 'utf-8-sig'
) -> str:
    """The text of a file; a byte order mark in front of it is left out, unless it is ``'utf-8'``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be opened, or is not text in UTF-8.
    """
    try:
        return read_bytes(path, backend_args).decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is not text in UTF-8: {error}.') from None


def read_lines(path: str | Path, backend_args: dict | None = None) -> list[str]:
    """The lines of a text file that are not blank, without the blanks around them."""
    return [line.strip() for line in read_text(path, backend_args).splitlines() if line.strip()]


def read_json(path: str | Path, backend_args: dict | None = None) -> Any:
    """The value of a JSON file. A byte order mark is refused, as every library of COCO does."""
    text = read_text(path, backend_args, encoding='utf-8')
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f'{path} is not valid JSON: {error}.') from None


def read_number(text: str | None, place: str) -> float:
    """The number that a text holds, below :data:`LIMIT` in size; ``place`` begins the message."""
    try:
        number = float(text or '')
    except ValueError:
        number = math.nan
    if not -LIMIT < number < LIMIT:
        raise UserError(f'{place} is {_shown(text)}, not a number between -2**31 and 2**31')
    return number


def read_whole(text: str | None, place: str) -> int:
    """The whole number that a text holds; ``64.0`` is one."""
    number = read_number(text, place)
    if not number.is_integer():
        raise UserError(f'{place} is {_shown(text)}, not a whole number')
    return int(number)


def _shown(text: str | None) -> str:
    return f'{text!r:.50}' if text else 'empty'
