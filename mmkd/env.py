"""``python -m mmkd.env``: versions, devices and operations, for a report of a problem."""

import importlib.metadata
import platform
import sys
from collections.abc import Iterator

import torch

from mmkd.compat.ops import EXTENSION, TorchvisionExtension
from mmkd.version import __version__

_PACKAGES = (
    'torch',
    'torchvision',
    'numpy',
    'scipy',
    'mmengine',
    'onedl-mmengine',
    'mmcv',
    'mmcv-lite',
    'onedl-mmcv',
    'mmdet',
    'onedl-mmdetection',
    'pycocotools',
    'faster-coco-eval',
    'timm',
    'setuptools',
)


def describe() -> Iterator[tuple[str, str]]:
    """(name, value) of what a report needs; packages that are not installed are left out."""
    yield 'mmkd', __version__
    yield 'python', f'{platform.python_version()}, {platform.platform()}'
    yield from installed()
    yield 'devices', ', '.join(_devices()) or f'CPU alone, {torch.get_num_threads()} threads'
    own = isinstance(sys.modules.get(EXTENSION), TorchvisionExtension)
    yield 'operations', "torchvision's, in place of mmcv's" if own else "mmcv's, compiled"


def installed() -> Iterator[tuple[str, str]]:
    """(name, version) of the packages that mmkd runs on, as far as they are installed."""
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _devices() -> list[str]:
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def main() -> None:
    """Prints it."""
    for name, value in describe():
        print(f'{name:18} {value}')


if __name__ == '__main__':
    main()
