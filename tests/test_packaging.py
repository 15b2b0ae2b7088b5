"""What ships: the requirements, the configs and tools inside the package, the pinned versions."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ('mmkd', 'configs', 'tools')
FILES = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'CHANGELOG.md', 'README.md')


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of the repository to build in."""
    copy = tmp_path_factory.mktemp('checkout')
    for name in SHIPPED:
        shutil.copytree(
            ROOT / name, copy / name, ignore=shutil.ignore_patterns('__pycache__', '.mim')
        )
    for name in FILES:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    return copy


def build(checkout, hook, target):
    """Runs one hook of the build backend as pip would; gives the file that it made."""
    target.mkdir(parents=True, exist_ok=True)
    script = f'from setuptools.build_meta import {hook}; print({hook}({str(target)!r}))'
    run = subprocess.run(
        [sys.executable, '-c', script], cwd=checkout, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return target / run.stdout.strip().splitlines()[-1]


@pytest.fixture(scope='module')
def wheel(checkout):
    return build(checkout, 'build_wheel', checkout / 'dist')


@pytest.fixture(scope='module')
def sdist(checkout):
    return build(checkout, 'build_sdist', checkout / 'dist')


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def constants():
    """The lists of requirements at the top of setup.py."""
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    }


@pytest.mark.slow
class TestWheel:
    def test_every_config_and_tool_is_inside(self, wheel):
        names = names_in(wheel)
        for folder in ('configs', 'tools'):
            ours = [
                f
                for f in (ROOT / folder).rglob('*')
                if f.is_file() and '__pycache__' not in f.parts
            ]
            assert ours
            absent = [f for f in ours if f'mmkd/.mim/{f.relative_to(ROOT).as_posix()}' not in names]
            assert not absent, f'not in the wheel: {absent}'

    def test_nothing_else_is_inside(self, wheel):
        tops = {name.split('/')[0] for name in names_in(wheel)}
        assert {top for top in tops if not top.endswith('.dist-info')} == {'mmkd'}
        assert not [name for name in names_in(wheel) if '__pycache__' in name]

    def test_it_requires_nothing_of_the_mm_family(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith('.dist-info/METADATA'))
            metadata = archive.read(name).decode()
        plain = {
            Requirement(line).name
            for line in re.findall(r'^Requires-Dist: (.*)$', metadata, re.M)
            if 'extra ==' not in line
        }
        assert plain == {'torch', 'torchvision', 'numpy', 'rich', 'filelock', 'safetensors'}
        assert re.search(r'^License(-Expression)?: Apache-2.0$', metadata, re.M)

    def test_installed_elsewhere_its_configs_resolve_and_its_command_runs(self, wheel, tmp_path):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
        entry = next(tmp_path.glob('*.dist-info/entry_points.txt')).read_text()
        assert 'mmkd = mmkd.__main__:main' in entry
        relative = next(iter(sorted((ROOT / 'configs' / 'students').glob('*.py')))).name
        script = (
            'import mmkd\n'
            'from mmengine.config import Config\n'
            'from mmkd.__main__ import main\n'
            'print(mmkd.__file__)\n'
            f'print(Config.fromfile("mmkd::students/{relative}").filename)\n'
            'main(["list", "pairs"])\n'
        )
        run = subprocess.run(
            [sys.executable, '-c', script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        )
        assert run.returncode == 0, run.stderr
        lines = run.stdout.strip().splitlines()
        assert str(tmp_path / 'mmkd' / '__init__.py') in lines
        assert str(tmp_path / 'mmkd' / '.mim' / 'configs' / 'students' / relative) in lines
        assert '  mmkd::pairs/retinanet_r50_coco.py: ' in run.stdout

    def test_built_from_the_source_distribution_it_is_the_same(self, wheel, sdist, tmp_path):
        with tarfile.open(sdist) as archive:
            archive.extractall(tmp_path, filter='data')
        unpacked = next(tmp_path.glob('mmkd-*'))
        again = build(unpacked, 'build_wheel', tmp_path / 'dist')
        assert names_in(again) == names_in(wheel)


@pytest.mark.slow
def test_an_editable_install_links_configs_and_tools(checkout, tmp_path):
    build(checkout, 'build_editable', tmp_path)
    for folder in ('configs', 'tools'):
        link = checkout / 'mmkd' / '.mim' / folder
        assert link.is_symlink() and link.resolve() == (checkout / folder).resolve()


class TestVersions:
    def test_pre_commit_and_the_extra_dev_pin_the_same_tools(self):
        hooks = (ROOT / '.pre-commit-config.yaml').read_text(encoding='utf-8')
        pins = dict(re.findall(r'repo: \S*/(\S+)\n\s+rev: v(\S+)', hooks))
        dev = {
            Requirement(line).name: str(Requirement(line).specifier) for line in constants()['DEV']
        }
        assert dev['ruff'] == f'=={pins["ruff-pre-commit"]}'
        assert dev['mypy'] == f'=={pins["mirrors-mypy"]}'

    def test_the_installed_family_is_within_its_bounds(self):
        for family in ('OPENMMLAB', 'ONEDL'):
            wanted = [Requirement(line) for line in constants()[family]]
            try:
                installed = {r.name: importlib.metadata.version(r.name) for r in wanted}
            except importlib.metadata.PackageNotFoundError:
                continue
            assert all(r.specifier.contains(installed[r.name]) for r in wanted), installed
            return
        pytest.skip('the host was not installed by one of the extras (a compiled mmcv?)')

    def test_the_package_reports_the_version_of_its_metadata(self):
        import mmkd

        assert re.fullmatch(r'\d+\.\d+\.\d+', mmkd.__version__)


@pytest.mark.skipif(
    not Path(sysconfig.get_path('purelib'), 'torch_stack.pth').exists(),
    reason='only the second environment borrows torch from the first',
)
def test_the_second_environment_borrows_torch_and_nothing_of_the_host():
    import mmcv
    import mmdet
    import mmengine
    import torch

    own = Path(sys.prefix)
    for module in (mmcv, mmdet, mmengine):
        assert own in Path(module.__file__).parents, f'{module.__name__} leaks in'
    assert own not in Path(torch.__file__).parents
