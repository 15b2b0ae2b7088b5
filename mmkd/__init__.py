"""mmkd: distil a small MMDetection detector from a large one."""

from . import compat  # noqa: F401  first: it makes the host importable

from . import backbones, datasets, detectors, engine, evaluation, heads, losses, methods, modules  # noqa: F401, isort: skip
from .version import __version__

__all__ = ['__version__', 'distill']


def __getattr__(name: str) -> object:
    """``mmkd.distill``: what runs studies and draws is imported only where it is used."""
    if name == 'distill':
        from .study import distill

        return distill
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
