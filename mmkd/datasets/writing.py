"""Files that a command writes, and never over one that is there without being told to."""

import os
from pathlib import Path


def write_new(path: str | Path, content: str | bytes, *, force: bool = False) -> None:
    """Writes a file whole: a reader finds the old one or the new one, never a part.

    Args:
        path: File to write; its folder is created.
        content: The text, or bytes as they are.
        force: Replace a file that exists.

    Raises:
        FileExistsError: The file exists and ``force`` is off.
    """
    path = Path(path)
    refuse_to_replace(path, force=force)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f'{path.name}.part')
    part.write_bytes(content.encode('utf-8') if isinstance(content, str) else content)
    os.replace(part, path)


def refuse_to_replace(path: str | Path, *, force: bool) -> None:
    """Looks before the work is done whether its file can be written.

    Args:
        path: File to be written later.
        force: Whether it may replace one.

    Raises:
        FileExistsError: The file exists and ``force`` is off.
    """
    if Path(path).exists() and not force:
        raise FileExistsError(f'{path} exists: name another file, or replace it with --force.')
