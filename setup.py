"""Builds mmkd; its configs and tools travel inside the package, under ``mmkd/.mim``."""

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools')

OPENMMLAB = [
    'mmdet==3.3.0',
    'mmcv-lite>=2.1,<2.2',
    'mmengine>=0.10.7,<0.11',
    # mmengine 0.10 imports pkg_resources, which setuptools 82 removed.
    'setuptools>=77.0.3,<82',
]
ONEDL = [
    'onedl-mmdetection>=3.5.1,<3.6',
    'onedl-mmcv>=2.3.6,<2.4',
    'onedl-mmengine>=0.10.12,<0.11',
]
TIMM = ['timm>=1.0.15']
FAST_EVAL = ['faster-coco-eval>=1.8']
SEARCH = ['optuna>=4.2']
DIAGNOSE = ['imagehash>=4.3']
ONNX = ['onnx>=1.18', 'onnxruntime>=1.22', 'onnxscript>=0.5']
TEST = [
    'pytest>=8',
    'pytest-timeout>=2.3',
    'pytest-xdist>=3.8',
    'timm>=1.0.15',
    'faster-coco-eval>=1.8',
    'hypothesis>=6.100',
    'optuna>=4.2',
    'imagehash>=4.3',
    'onnx>=1.18',
    'onnxruntime>=1.22',
    'onnxscript>=0.5',
]
DEV = ['ruff==0.17.6', 'mypy==2.4.1', 'pre-commit>=4']


class BuildWithConfigs(build_py):
    """Adds ``configs/`` and ``tools/`` to the package, where MIM and ``mmkd::`` look for them.

    A wheel gets copies. An editable install gets links, so that an edit counts at once.
    """

    def run(self) -> None:
        """Builds the package, then adds the folders."""
        super().run()
        package = ROOT / 'mmkd' if self.editable_mode else Path(self.build_lib) / 'mmkd'
        for name in SHIPPED:
            target = package / '.mim' / name
            self._clear(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if self.editable_mode:
                self._link(target, name)
            else:
                shutil.copytree(
                    ROOT / name, target, ignore=shutil.ignore_patterns('__pycache__', '*.pyc')
                )

    @staticmethod
    def _clear(target: Path) -> None:
        """Removes what an earlier build left."""
        if target.is_symlink():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)

    @staticmethod
    def _link(target: Path, name: str) -> None:
        """Links to the checkout; where links are not permitted, mmkd looks beside the package."""
        try:
            target.symlink_to(Path(os.pardir, os.pardir, name), target_is_directory=True)
        except OSError as error:
            print(f'no link {target}: {error}')


def version() -> str:
    """The version, read without importing the package."""
    text = (ROOT / 'mmkd' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '([^']+)'", text)[1]


def readme() -> str:
    """The long description."""
    path = ROOT / 'README.md'
    return path.read_text(encoding='utf-8') if path.is_file() else ''


setup(
    name='mmkd',
    version=version(),
    description='Knowledge distillation of object detectors for MMDetection',
    long_description=readme(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    packages=find_packages(include=['mmkd', 'mmkd.*']),
    package_data={'mmkd': ['py.typed']},
    entry_points={'console_scripts': ['mmkd = mmkd.__main__:main']},
    python_requires='>=3.10',
    # Nothing of the MM family: two families share its import names, and the user has chosen one.
    install_requires=['torch>=2.6', 'torchvision', 'numpy', 'rich', 'filelock', 'safetensors>=0.5'],
    extras_require={
        'openmmlab': OPENMMLAB,
        'onedl': ONEDL,
        'timm': TIMM,
        'fast-eval': FAST_EVAL,
        'search': SEARCH,
        'diagnose': DIAGNOSE,
        'onnx': ONNX,
        'test': TEST,
        'dev': DEV,
    },
    cmdclass={'build_py': BuildWithConfigs},
    zip_safe=False,
)
