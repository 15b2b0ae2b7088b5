"""With what a run was made."""

import platform
import subprocess
from functools import cache
from pathlib import Path

import torch

import mmkd
from mmkd.env import installed
from mmkd.version import __version__


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
