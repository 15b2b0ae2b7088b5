"""Refuses to start, in one sentence, where the host is absent or torch is too old.

mmkd brings neither of the two families of packages, because pip would force one on whoever has
the other; both use the import names mmengine, mmcv and mmdet. torch 2.6 is the first whose
``weights_only`` loading can be given the names that MMEngine's checkpoints hold.
"""

import importlib.metadata
import importlib.util
from contextlib import suppress

import torch

MINIMUM_TORCH = (2, 6)
_HOST = ('mmengine', 'mmcv', 'mmdet')
_COMMANDS = {
    'openmmlab': "`pip install 'mmkd[openmmlab]'` (the original packages, MMDetection 3.3)",
    'onedl': "`pip install 'mmkd[onedl]'` (the maintained OneDL forks)",
}


def check() -> None:
    """Raises ImportError, naming the command to run, where a requirement is not met."""
    check_torch(torch.__version__)
    check_host()


def check_torch(version: str) -> None:
    """Refuses a torch below ``MINIMUM_TORCH``; ``version`` is its ``__version__``."""
    major, minor = version.split('.')[:2]
    if (int(major), int(minor)) < MINIMUM_TORCH:
        wanted = '.'.join(map(str, MINIMUM_TORCH))
        raise ImportError(
            f'mmkd needs torch >= {wanted} and found {version}: run '
            f"`pip install -U 'torch>={wanted}' torchvision`."
        )


def check_host() -> None:
    """Refuses to go on where a package of the host cannot be found."""
    absent = [name for name in _HOST if importlib.util.find_spec(name) is None]
    if absent:
        raise ImportError(
            f'mmkd extends MMDetection, and {", ".join(absent)} cannot be found: run '
            f'{" or ".join(_COMMANDS[family] for family in _families())}.'
        )


def _families() -> list[str]:
    """The family that is partly installed, or both where none is."""
    installed = {
        'openmmlab': _has_any(('mmengine', 'mmcv', 'mmcv-lite', 'mmdet')),
        'onedl': _has_any(('onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection')),
    }
    return [family for family, present in installed.items() if present] or list(installed)


def _has_any(distributions: tuple[str, ...]) -> bool:
    """Whether pip installed one of ``distributions``."""
    for name in distributions:
        with suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(name)
            return True
    return False
