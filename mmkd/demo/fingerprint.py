"""Whether a finished stage is still what it would be if it were trained now."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmengine.config import Config

import mmkd
from mmkd.datasets.shapes import shapes_fingerprint
from mmkd.utils.errors import UserFileExistsError
from mmkd.utils.records import read_record, write_record

from .plan import Stage

MARKER = 'stage.json'
# Packages of ours in which no number of a training run comes about.
_WITHOUT_EFFECT = ('demo', 'visualization', 'testing')
_HOSTS = ('torch', 'torchvision', 'numpy', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet')


@dataclass(frozen=True)
class Marker:
    """What a stage's folder says of itself.

    Attributes:
        parts: Fingerprint by part: ``config``, ``data``, ``code``, and each stage it needs.
        finished: Whether training went through.
        seconds: How long it took.
    """

    parts: dict[str, str]
    finished: bool = False
    seconds: float = 0.0


def fingerprint(stage: Stage, needs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What determines the stage's result, by part.

    Args:
        stage: The stage.
        needs: Fingerprints of the stages it needs, by name.
    """
    # Where the configs lie is of no effect.
    text = Config.fromfile(stage.config).pretty_text.replace(str(stage.configs), 'configs')
    return {
        'config': _digest(text, json.dumps(dict(stage.options), sort_keys=True)),
        'data': shapes_fingerprint(stage.data_root),
        'code': code_version(),
        **{name: _digest(json.dumps(dict(parts), sort_keys=True)) for name, parts in needs.items()},
    }


def code_version() -> str:
    """SHA-256 over the sources of mmkd that training runs, and the versions of its hosts."""
    root = Path(mmkd.__file__).parent
    texts = []
    for path in sorted(root.rglob('*.py')):
        inner = path.relative_to(root)
        if inner.parts[0] not in (*_WITHOUT_EFFECT, '.mim'):
            texts += [inner.as_posix(), path.read_text()]
    return _digest(*texts, *(f'{name} {_version(name)}' for name in _HOSTS))


def read_marker(folder: Path) -> Marker | None:
    """The marker of a stage's folder, or None where there is none.

    Raises:
        ValueError: It is damaged.
    """
    return read_record(folder / MARKER, Marker)


def write_marker(folder: Path, marker: Marker) -> None:
    """Writes the marker, whole or not at all."""
    write_record(folder / MARKER, marker)


def stale_reason(stage: Stage, parts: Mapping[str, str]) -> str | None:
    """Why a stage must be trained, in words; None where its result can be reused."""
    if not stage.work_dir.exists():
        return 'not trained yet'
    marker = read_marker(stage.work_dir)
    if marker is None or not marker.finished:
        return 'was not finished'
    changed = [name for name in parts if marker.parts.get(name) != parts[name]]
    if changed:
        return f'{" and ".join(changed)} changed since it was trained'
    if not stage.checkpoint.is_file():
        return f'{stage.checkpoint.name} is gone'
    return None


def clear(stage: Stage) -> None:
    """Removes what an earlier run of the stage left.

    Raises:
        FileExistsError: The folder holds files, but is not one of ours.
    """
    folder = stage.work_dir
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise UserFileExistsError(f'{folder} holds other files: choose another --work-dir.')
    shutil.rmtree(folder)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return '-'


def _digest(*texts: str) -> str:
    return hashlib.sha256('\0'.join(texts).encode()).hexdigest()
