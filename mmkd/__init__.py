"""mmkd: distil a small MMDetection detector from a large one."""

from . import compat  # noqa: F401  first: it makes the host importable

from . import backbones, datasets, detectors, engine, evaluation, heads, losses, methods, modules  # noqa: F401, isort: skip
from .version import __version__

__all__ = ['__version__']
