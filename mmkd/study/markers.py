"""What a run's folder says of itself, and whether that still holds."""

import difflib
import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from pprint import pformat

import torch

import mmkd
from mmkd.compat import read_config_text, write_config_text
from mmkd.env import installed
from mmkd.utils.errors import UserFileExistsError
from mmkd.utils.hashes import file_hash
from mmkd.utils.records import read_record, write_record
from mmkd.version import __version__

from .jobs import Job

MARKER, CONFIG, OUTPUT = 'run.json', 'run_config.py', 'output.txt'
# MMEngine writes its own version over the config; this one is compared with.
_TEXT = 'fingerprint.txt'
_SHOWN = 4


@dataclass
class Marker:
    """What a run's folder says of itself.

    Attributes:
        fingerprint: SHA-256 by part: ``config``, ``teacher`` and ``tested`` (checkpoints).
        seconds: Wall time of all its processes, start included.
        peak_memory: Largest resident memory of a process, bytes; 0 where unknown.
        starts: How often it was started; more than 1 after an interruption.
        versions: Packages, machine and code it ran with.
    """

    fingerprint: dict[str, str]
    finished: bool = False
    seconds: float = 0.0
    peak_memory: int = 0
    starts: int = 0
    versions: dict[str, str] = field(default_factory=dict)


def fingerprint(job: Job) -> dict[str, str]:
    """What determines a run's result: its whole config and the checkpoints that it reads.

    Raises:
        FileNotFoundError: A checkpoint is missing.
    """
    parts = {'config': config_hash(job)}
    for name, path in (('teacher', job.teacher), ('tested', job.tested)):
        if path:
            parts[name] = file_hash(path)
    return parts


def config_hash(job: Job) -> str:
    """SHA-256 of the config's values, in whatever order they are written."""
    text = _without_place(pformat(job.config.to_dict(), width=sys.maxsize), job)
    return hashlib.sha256(text.encode()).hexdigest()


def config_text(job: Job) -> str:
    """The config, without the place of the teacher's checkpoint: its content counts."""
    return _without_place(write_config_text(job.config.to_dict()), job)


def read_marker(folder: Path) -> Marker | None:
    """The marker of a run's folder, None where there is none; a ValueError says it is damaged."""
    return read_record(folder / MARKER, Marker)


def prepare_folder(job: Job, parts: dict[str, str], *, anew: bool) -> Marker:
    """Writes what a start needs: the config, the text of its fingerprint ``parts``, the marker.

    Raises:
        FileExistsError: The folder holds foreign files.
    """
    marker = read_marker(job.work_dir)
    if marker is None or anew:
        clear(job.work_dir)
        marker = Marker(parts)
    marker.starts += 1
    marker.versions = dict(versions())
    job.work_dir.mkdir(parents=True, exist_ok=True)
    (job.work_dir / CONFIG).write_text(write_config_text(job.config.to_dict()))
    (job.work_dir / _TEXT).write_text(config_text(job))
    write_marker(job.work_dir, marker)
    return marker


def write_marker(folder: Path, marker: Marker) -> None:
    """Writes the marker, whole or not at all."""
    write_record(folder / MARKER, marker)


def stale_reason(job: Job, parts: Mapping[str, str]) -> str | None:
    """Why what is in the job's folder must be thrown away, in words; None where it need not."""
    marker = read_marker(job.work_dir)
    if marker is None:
        return None
    changed = [name for name in parts if marker.fingerprint.get(name) != parts[name]]
    if 'config' in changed and _means_the_same(job):
        changed.remove('config')
    if changed == ['config']:
        return f'its config changed ({_difference(job)})'
    if changed:
        return f'{" and ".join(changed)} changed'
    if marker.finished and job.epochs and not job.checkpoint.is_file():
        return f'{job.checkpoint.name} is gone'
    return None


def is_finished(job: Job, parts: Mapping[str, str]) -> bool:
    """Whether the job's folder holds its result."""
    marker = read_marker(job.work_dir)
    return marker is not None and marker.finished and stale_reason(job, parts) is None


def clear(folder: Path) -> None:
    """Removes what an earlier run left.

    Raises:
        FileExistsError: The folder holds files, but is not one of a study.
    """
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARKER).is_file():
            raise UserFileExistsError(f'{folder} holds other files: choose another --work-dir.')
        shutil.rmtree(folder)


def _without_place(text: str, job: Job) -> str:
    return text.replace(repr(job.teacher), repr('TEACHER')) if job.teacher else text


def _means_the_same(job: Job) -> bool:
    """Whether the run's config was only written differently, by other code or with other breaks."""
    try:
        return read_config_text(_earlier_text(job)) == read_config_text(config_text(job))
    except ValueError:
        return False


def _difference(job: Job) -> str:
    old = _earlier_text(job)
    lines = [
        f'{line[0]} {line[1:].strip()}'
        for line in difflib.unified_diff(
            old.splitlines(), config_text(job).splitlines(), lineterm='', n=0
        )
        if line[0] in '+-' and line[:3] not in ('+++', '---')
    ]
    more = f', and {len(lines) - _SHOWN} more' if len(lines) > _SHOWN else ''
    return '; '.join(lines[:_SHOWN]) + more


def _earlier_text(job: Job) -> str:
    """The text of the config that the job's folder is of, or nothing; it is data, never run."""
    path = job.work_dir / _TEXT
    return path.read_text(errors='replace') if path.is_file() else ''


@cache
def versions() -> dict[str, str]:
    """Versions of mmkd, its commit, packages, system and processor."""
    return {
        'mmkd': __version__,
        'code': _commit(),
        'python': platform.python_version(),
        **dict(installed()),
        'system': platform.platform(),
        'processor': _processor(),
    }


def _commit() -> str:
    folder = Path(mmkd.__file__).resolve().parents[1]
    try:
        done = subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=12'],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 'unknown'
    return done.stdout.strip() or 'unknown'


def _processor() -> str:
    if torch.cuda.is_available():
        return f'{torch.cuda.device_count()} x {torch.cuda.get_device_name()}'
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        return next(line.split(':')[1].strip() for line in lines if line.startswith('model name'))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()
