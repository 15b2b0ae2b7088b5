"""Every config in the tree builds, and a distillation config stays short."""

import ast
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
RUNNABLE = sorted(p for p in CONFIGS.rglob('*.py') if not {'_base_', 'studies'} & set(p.parts))
DISTILLATION = sorted(CONFIGS.glob('*.py'))
PAIRS_WITH_RFCN = sorted(CONFIGS.glob('pairs/*rfcn_r*.py'))
METHODS = (
    'fgfi', 'hint', 'chen2017', 'proposal_mimic', 'two_stage_mimic', 'quantization_mimic',
)  # fmt: skip


@cache
def plain_students():
    return {repr(Config.fromfile(path).model.to_dict()) for path in CONFIGS.glob('students/*.py')}


def without_pretrained(cfg):
    """The same model config, with every ``init_cfg`` that loads a file switched off."""
    if isinstance(cfg, dict):
        items = {key: without_pretrained(value) for key, value in cfg.items()}
        init = items.get('init_cfg')
        if isinstance(init, dict) and init.get('type') == 'Pretrained':
            items['init_cfg'] = None
        return type(cfg)(items)
    return [without_pretrained(item) for item in cfg] if isinstance(cfg, (list, tuple)) else cfg


@pytest.mark.parametrize('path', RUNNABLE, ids=lambda path: path.stem)
def test_builds(path):
    from mmdet.registry import MODELS

    config = Config.fromfile(path)
    init_default_scope(config.get('default_scope', 'mmdet'))
    model = MODELS.build(without_pretrained(config.model))
    assert sum(parameter.numel() for parameter in model.parameters()) > 0
    for key in (
        'train_dataloader',
        'val_dataloader',
        'val_evaluator',
        'optim_wrapper',
        'train_cfg',
    ):
        assert config.get(key), f'{path} has no {key}'


@pytest.mark.parametrize('path', DISTILLATION, ids=lambda path: path.stem)
def test_a_distillation_config_adds_ten_lines_or_fewer(path):
    tree = ast.parse(path.read_text())
    own = [
        node
        for node in tree.body[1:]  # the docstring is the first
        if not (isinstance(node, ast.Assign) and node.targets[0].id == '_base_')
    ]
    assert sum(node.end_lineno - node.lineno + 1 for node in own) <= 10


@pytest.mark.parametrize('path', DISTILLATION, ids=lambda path: path.stem)
def test_a_distillation_config_has_its_student_and_teacher_configs(path):
    config = Config.fromfile(path)
    assert Path(config.model.teacher.config).is_file()
    assert repr(config.model.student.to_dict()) in plain_students()


@pytest.mark.parametrize('pair', PAIRS_WITH_RFCN, ids=lambda path: path.stem)
def test_every_method_has_a_config_of_every_pair_with_an_rfcn(pair):
    bases = {path.stem: path.read_text() for path in DISTILLATION}
    for method in METHODS:
        assert f"pairs/{pair.name}'" in bases.get(f'{method}_{pair.stem}', ''), method


def test_no_thin_student_exceeds_half_a_million_parameters():
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    for path in CONFIGS.glob('students/*thin*.py'):
        model = MODELS.build(Config.fromfile(path).model)
        assert sum(p.numel() for p in model.parameters()) <= 500_000
