"""Every config in the tree builds, and a distillation config stays short."""

import ast
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmkd.detectors.stages import Stages
from mmkd.engine.commands.methods import method_name

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
PLAIN = sorted([*CONFIGS.glob('students/*.py'), *CONFIGS.glob('teachers/*.py')])
DISTILLATION = sorted(CONFIGS.glob('*.py'))
PAIRS = sorted(CONFIGS.glob('pairs/*.py'))
OF_DETECTION_PAPERS = (
    'fgfi', 'chen2017', 'proposal_mimic', 'two_stage_mimic', 'quantization_mimic',
)  # fmt: skip
NEEDED = ('train_dataloader', 'val_dataloader', 'val_evaluator', 'optim_wrapper', 'train_cfg')
load = cache(Config.fromfile)


def pair_of(path):
    """Name of the pair that a distillation config is based on."""
    return re.search(r"_base_ = '\./pairs/(\w+)\.py'", path.read_text())[1]


def detectors_in_pairs():
    """Plain configs that a pair builds: its teacher's, and its student's by the file's name."""
    named = {name for pair in PAIRS for name in re.findall(r'teachers/\w+\.py', pair.read_text())}
    students = {CONFIGS / 'students' / pair.name for pair in PAIRS}
    return {CONFIGS / name for name in named} | students


ALONE = [path for path in PLAIN if path not in detectors_in_pairs()]


@pytest.fixture
def quick_layers(monkeypatch):
    """Weights of 0: random ones for a hundred million parameters take seconds."""

    def zero(layer):
        for parameter in layer.parameters(recurse=False):
            nn.init.zeros_(parameter)

    for kind in (nn.Linear, nn.modules.conv._ConvNd):
        monkeypatch.setattr(kind, 'reset_parameters', zero)


def build(model):
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    return MODELS.build(model)


@pytest.mark.parametrize('path', PAIRS, ids=lambda path: path.stem)
def test_a_pair_builds_with_all_methods_of_its_configs_at_once(path, quick_layers):
    methods = list({
        method_name(m): m for file in DISTILLATION if pair_of(file) == path.stem
        for m in load(file).model.methods
    }.values())  # fmt: skip
    crossed = re.search(r'r18_16th_(rfcn|faster_rcnn)_', path.stem)
    levels = dict(levels=[[0, 1]] if crossed[1] == 'rfcn' else [[1, 0]]) if crossed else {}
    scaled = dict(upsample='deconv') if 'student_scale' in load(path).model else {}
    methods = methods or [dict(type='mmkd.ProposalMimic', **scaled, **levels)]
    model = build(dict(load(path).model, methods=methods))
    assert len(model.distill) == len(methods)


@pytest.mark.parametrize('path', ALONE, ids=lambda path: path.stem)
def test_a_detector_in_no_pair_builds(path, quick_layers):
    assert sum(p.numel() for p in build(load(path).model).parameters()) > 0


@pytest.mark.parametrize('path', [*PLAIN, *PAIRS, *DISTILLATION], ids=lambda path: path.stem)
def test_a_config_has_all_that_a_run_needs(path):
    assert not [key for key in NEEDED if not load(path).get(key)]


@pytest.mark.parametrize('first, last', [('fitnets', ['kd']), ('fsp', [])])
def test_a_config_in_stages_names_the_methods_that_it_has(first, last):
    cfg = load(CONFIGS / f'{first}_faster_rcnn_r50_voc.py')
    names = [first, *last]
    Stages(cfg.model.stages, dict.fromkeys(names, SimpleNamespace(active=True)))
    assert [stage.methods for stage in cfg.model.stages] == [[first], last]
    assert len(cfg.model.methods) == len(names) and not cfg.model.stages[0].task


def test_a_distillation_config_is_a_pair_and_three_lines_or_fewer_six_with_stages():
    for path in DISTILLATION:
        own = [
            node
            for node in ast.parse(path.read_text()).body[1:]  # the docstring is the first
            if not (isinstance(node, ast.Assign) and node.targets[0].id == '_base_')
        ]
        pair, model = load(CONFIGS / 'pairs' / f'{pair_of(path)}.py'), dict(load(path).model)
        lines = 6 if model.pop('stages', None) else 3
        assert sum(node.end_lineno - node.lineno + 1 for node in own) <= lines, path
        assert {**model, 'methods': None} == {**pair.model, 'methods': None}, path


def test_methods_of_the_detection_papers_have_each_data_set_and_detector_and_the_others_one():
    names = {path.stem for path in DISTILLATION}
    for method in OF_DETECTION_PAPERS:
        for detector in ('faster_rcnn', 'rfcn'):
            for data in ('voc', 'kitti', 'coco'):
                assert f'{method}_{detector}_r50_{data}' in names
    assert 'set_prediction_deformable_detr_r50_coco' in names  # of DETRs alone
    others = [n for n in names if not n.startswith((*OF_DETECTION_PAPERS, 'set_prediction'))]
    assert all(name.endswith('_faster_rcnn_r50_voc') for name in others), others


def test_no_thin_student_exceeds_a_tenth_of_a_million_parameters():
    for path in CONFIGS.glob('students/faster_rcnn_r18_16th_*.py'):
        assert sum(p.numel() for p in build(load(path).model).parameters()) <= 100_000
