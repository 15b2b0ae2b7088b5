"""Imports point one way: the arrows of the architecture, read off the source with ``ast``."""

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmkd'

NUMERIC = {'torch', 'torchvision', 'numpy'}
HOST = {'mmdet', 'mmengine', 'mmcv'}
EVERYTHING = {'*'}


class Rule(NamedTuple):
    """What one part may import, and where code goes that needs more."""

    inside: set[str]
    """Parts of mmkd, besides itself."""
    outside: set[str]
    """Third-party packages; the standard library is free."""
    remedy: str


_PARTS = 'registered parts build on the host and on nothing that knows a method'
RULES = {
    'losses.functional': Rule(
        set(),
        NUMERIC,
        'a formula is tensors in, tensors out: constants, checks and registration '
        'belong in losses/, anything that knows a detector in methods/ or detectors/',
    ),
    'evaluation.functional': Rule(
        set(), NUMERIC, 'matching and AP work on arrays: collecting results belongs in evaluation/'
    ),
    'losses': Rule(
        {'losses.functional', 'registry'},
        NUMERIC | {'mmengine'},
        'a loss is handed its inputs: choosing them belongs in methods/',
    ),
    'modules': Rule(
        {'losses.functional', 'observation', 'registry'},
        NUMERIC | {'mmengine'},
        'a part that needs losses is a method, and belongs in methods/',
    ),
    'observation': Rule(
        set(), {'torch'}, 'the record holds tensors: how they are obtained belongs in fields/'
    ),
    'fields': Rule(
        {'observation', 'heads', 'registry'},
        NUMERIC | HOST,
        'a field knows the detectors of the host: what one method needs belongs in methods/',
    ),
    'distiller': Rule({'observation'}, {'torch'}, 'the protocol names what tools read, no part'),
    'methods': Rule(
        {'observation', 'modules', 'losses', 'losses.functional', 'registry'},
        NUMERIC | {'mmengine'},
        'a method sees an observation: asking the detector for more belongs in detectors/',
    ),
    'detectors': Rule(
        {'observation', 'fields', 'heads', 'registry', 'compat'},
        NUMERIC | HOST | {'safetensors'},
        'a detector runs student and teacher and builds methods through the registry: what one '
        'method needs belongs in methods/',
    ),
    'backbones': Rule({'modules', 'registry', 'compat'}, NUMERIC | HOST | {'timm'}, _PARTS),
    'heads': Rule({'modules', 'registry', 'compat'}, NUMERIC | HOST, _PARTS),
    'datasets': Rule(
        {'registry', 'compat'}, NUMERIC | HOST | {'cv2', 'PIL', 'rich', 'scipy'}, _PARTS
    ),
    'transforms': Rule({'registry', 'compat'}, NUMERIC | HOST | {'cv2'}, _PARTS),
    'evaluation': Rule(
        {'evaluation.functional', 'registry', 'compat'},
        NUMERIC | HOST | {'rich', 'pycocotools', 'faster_coco_eval', 'scipy'},
        _PARTS,
    ),
    'engine': Rule(
        {
            'losses.functional',
            'datasets',
            'detectors',
            'distiller',
            'fields',
            'observation',
            'registry',
            'compat',
        },
        NUMERIC | HOST | {'rich', 'filelock', 'yaml'},
        _PARTS,
    ),
    'visualization': Rule(
        {'distiller', 'registry', 'compat'},
        NUMERIC | HOST | {'cv2', 'PIL', 'matplotlib', 'rich'},
        _PARTS,
    ),
    'registry': Rule(set(), {'mmengine'}, 'the registry knows no part that registers itself'),
    'version': Rule(set(), set(), 'the version is a string'),
    'utils.errors': Rule(set(), set(), 'every part, compat too, may raise one'),
    'utils.deprecation': Rule(set(), set(), 'every part, compat too, may have an old name'),
    'utils': Rule({'compat'}, NUMERIC | {'mmengine', 'filelock'}, 'a small helper knows no part'),
    'settings': Rule(set(), set(), 'a check of a value knows no part'),
    'compat': Rule(
        set(),
        EVERYTHING,
        'compat runs before the rest of mmkd exists: it imports third parties only',
    ),
    'env': Rule({'compat'}, {'torch'}, 'a report names versions, no part'),
    '__main__': Rule({'compat'}, set(), 'the command starts scripts of tools/ and does no more'),
    'run': Rule({'compat'}, set(), 'mmkd.run needs compat alone'),
    # The commands behind tools/: they may use every public part.
    'study': Rule(EVERYTHING, EVERYTHING, 'what trainings need belongs in the parts'),
    '__init__': Rule(EVERYTHING, set(), 'mmkd/__init__.py only names the parts'),
    'testing': Rule(EVERYTHING, EVERYTHING, ''),
}


_BELOW_UTILS = {'compat', 'registry', 'settings', 'utils.errors', 'version'}
"""What small helpers may use, or what is there before them."""


class Import(NamedTuple):
    """One import statement: where it stands and the dotted name that it asks for."""

    file: Path
    line: int
    module: str


def imports_of(file: Path) -> list[Import]:
    """Every import in ``file``, also inside functions; relative ones made absolute."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(file, node)
            # "from . import x" and "from mmkd import x" name parts, not attributes.
            names = [f'{base}.{alias.name}' for alias in node.names]
            found += [Import(file, node.lineno, name) for name in names]
    return found


def _absolute(file: Path, node: ast.ImportFrom) -> str:
    """The module that a from-import names, ``mmkd...`` for a relative one."""
    if not node.level:
        return node.module or ''
    package = file.relative_to(ROOT).parent.parts
    parts = list(package[: len(package) - node.level + 1])
    return '.'.join(parts + ([node.module] if node.module else []))


def part_of(module: str) -> str:
    """The part that a name below ``mmkd`` belongs to: the longest that has a rule."""
    inner = module.split('.')[1:]
    for length in (2, 1):
        name = '.'.join(inner[:length])
        if name in RULES:
            return name
    return inner[0] if inner else '__init__'


def module_name(file: Path) -> str:
    """``mmkd/losses/a.py`` -> ``mmkd.losses.a``; a package's file has the package's name."""
    parts = list(file.relative_to(ROOT).with_suffix('').parts)
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def broken_arrows(files: list[Path]) -> list[str]:
    """A line for each import that its file's rule does not allow."""
    broken = []
    for file in files:
        source = part_of(module_name(file))
        rule = RULES.get(source)
        if rule is None:
            broken.append(
                f'{file.relative_to(ROOT)}: mmkd/{source} has no rule; add one to RULES '
                'in tests/test_imports.py, and its line in docs/architecture.md'
            )
            continue
        broken += [
            message for entry in imports_of(file) if (message := _breach(entry, source, rule))
        ]
    return broken


def _breach(entry: Import, source: str, rule: Rule) -> str | None:
    """What is wrong with one import, or None."""
    top = entry.module.split('.')[0]
    place = f'{entry.file.relative_to(ROOT)}:{entry.line}'
    if top == 'mmkd':
        target = part_of(entry.module)
        # The package itself offers its version and the order of its parts, and is safe to name;
        # settings are checked everywhere, by what knows no part, and refused with one error.
        allowed = rule.inside | {
            source,
            '__init__',
            'version',
            'settings',
            'utils.errors',
            'utils.deprecation',
        }
        if source not in _BELOW_UTILS:
            allowed.add('utils')
        if target == 'testing' and source != 'testing':
            return f'{place}: {source} -> testing; only tests/ import mmkd.testing'
        if target in allowed or rule.inside == EVERYTHING:
            return None
        return f'{place}: {source} -> {target}; {rule.remedy}'
    if top in sys.stdlib_module_names or rule.outside == EVERYTHING or top in rule.outside:
        return _formula_breach(entry, source, rule, place)
    return f'{place}: {source} -> {entry.module}; {rule.remedy}'


def _formula_breach(entry: Import, source: str, rule: Rule, place: str) -> str | None:
    """Formulas take torchvision's operations, not its models or data."""
    if source.endswith('.functional') and entry.module.startswith('torchvision'):
        if not f'{entry.module}.'.startswith('torchvision.ops.'):
            return f'{place}: {source} -> {entry.module}; {rule.remedy}'
    return None


def python_files(*folders: str) -> list[Path]:
    """Sources below ``folders`` of the repository, links left out."""
    return sorted(
        file
        for folder in folders
        for file in (ROOT / folder).rglob('*.py')
        if '.mim' not in file.parts
    )


def test_every_arrow_in_mmkd_points_the_right_way():
    broken = broken_arrows(python_files('mmkd'))
    assert not broken, 'broken arrows, and where the code belongs:\n' + '\n'.join(broken)


def test_tools_and_configs_use_public_names():
    broken = []
    for entry in (e for file in python_files('tools', 'configs') for e in imports_of(file)):
        private = any(part.startswith('_') for part in entry.module.split('.')[1:])
        if entry.module.split('.')[0] == 'mmkd' and (private or '.testing' in entry.module):
            broken.append(
                f'{entry.file.relative_to(ROOT)}:{entry.line}: {entry.module} is not '
                'public; give it a name in its part, or move the code there'
            )
    assert not broken, '\n'.join(broken)


def test_a_file_stays_below_four_hundred_lines():
    long = [
        f'{file.relative_to(ROOT)}: {lines} lines; it is asking to be two'
        for file in python_files('mmkd', 'tools')
        if (lines := len(file.read_text(encoding='utf-8').splitlines())) > 400
    ]
    assert not long, '\n'.join(long)


class TestTheCheckItself:
    """It sees each kind of breach; a check that cannot fail would hold nothing."""

    @pytest.fixture
    def written(self, tmp_path, monkeypatch):
        def write(path, source):
            monkeypatch.setattr(sys.modules[__name__], 'ROOT', tmp_path)
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
            return broken_arrows([file])

        return write

    @pytest.mark.parametrize(
        'path, source, arrow',
        [
            ('mmkd/methods/a.py', 'from mmdet.models import RPNHead', 'methods -> mmdet'),
            ('mmkd/methods/a.py', 'from ..detectors import Teacher', 'methods -> detectors'),
            ('mmkd/methods/a.py', 'from .. import detectors', 'methods -> detectors'),
            (
                'mmkd/detectors/a.py',
                'def f():\n    import mmkd.methods.fgfi',
                'detectors -> methods',
            ),
            (
                'mmkd/losses/functional/a.py',
                'from ...registry import MODELS',
                'losses.functional -> registry',
            ),
            ('mmkd/losses/functional/a.py', 'import torchvision.models', '-> torchvision.models'),
            ('mmkd/losses/functional/a.py', 'from mmengine import Config', '-> mmengine'),
            ('mmkd/observation.py', 'import numpy', 'observation -> numpy'),
            ('mmkd/compat/ops/a.py', 'from ...registry import MODELS', 'compat -> registry'),
            ('mmkd/engine/a.py', 'from mmkd.testing import batches', 'only tests/ import'),
            ('mmkd/compat/a.py', 'from mmkd.utils import locks', 'compat -> utils'),
            ('mmkd/utils/errors.py', 'import torch', 'utils.errors -> torch'),
            ('mmkd/newcomer/a.py', 'import os', 'mmkd/newcomer has no rule'),
        ],
    )
    def test_a_broken_arrow_is_printed(self, written, path, source, arrow):
        messages = written(path, source)
        assert len(messages) == 1 and arrow in messages[0]

    @pytest.mark.parametrize(
        'path, source',
        [
            ('mmkd/losses/a.py', 'from .functional import f\nfrom ..registry import MODELS'),
            (
                'mmkd/losses/functional/a.py',
                'import math\nimport torch.nn.functional as F\nfrom torchvision.ops import box_iou',
            ),
            ('mmkd/methods/a.py', 'from ..observation import Observation\nfrom .base import B'),
            ('mmkd/detectors/a.py', 'from mmdet.registry import MODELS\nfrom ..compat import load'),
            ('mmkd/compat/a.py', 'from ..utils.errors import UserError'),
            ('mmkd/heads/a.py', 'from ..utils import warn_renamed'),
        ],
    )
    def test_a_right_arrow_passes(self, written, path, source):
        assert written(path, source) == []
