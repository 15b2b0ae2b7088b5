"""Fingerprints of files."""

import hashlib
from functools import cache
from pathlib import Path


def file_hash(path: str) -> str:
    """SHA-256 of a file, read once as long as it does not change; of an address, of its text."""
    if '://' in path:
        return hashlib.sha256(path.encode()).hexdigest()
    stat = Path(path).stat()
    return _hash_of(path, stat.st_mtime_ns, stat.st_size)


@cache
def _hash_of(path: str, *_: object) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
