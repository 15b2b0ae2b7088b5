"""Small JSON files in which mmkd notes for itself how far something is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mmkd.utils.atomic import write_atomically

from .errors import UserError

Record = TypeVar('Record')


def read_record(file: Path, kind: type[Record]) -> Record | None:
    """Reads what :func:`write_record` wrote; None where there is no such file.

    The annotations of ``kind``, a dataclass, say which types the file must hold.

    Raises:
        ValueError: It holds something else. Nothing is known then of what lies beside it, so
            nobody should take it for missing and write anew.
    """
    try:
        content = json.loads(file.read_bytes())
        record = kind(**content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(_damaged(file, str(error))) from error
    for name, hint in get_type_hints(kind).items():
        value = getattr(record, name)
        if not _fits(value, hint):
            raise UserError(_damaged(file, f'{name} is {value!r}'))
    return record


def write_record(file: Path, record: Any) -> None:
    """Writes a dataclass, whole or not at all."""
    write_atomically(json.dumps(asdict(record), indent=2).encode(), file)


def _damaged(file: Path, why: str) -> str:
    return (
        f'{file} is not as mmkd wrote it ({why}): restore it, or delete the folder to have its '
        'content made anew.'
    )


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is dict:
        key, item = get_args(hint)
        return isinstance(value, dict) and all(
            _fits(k, key) and _fits(v, item) for k, v in value.items()
        )
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint
