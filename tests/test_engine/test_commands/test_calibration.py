import json

import pytest
import torch
from mmengine.config import Config
from rich.console import Console

from mmkd.engine.commands.calibration import calibrate, compared_levels, render, summarise
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import build_distill

IMAGE = torch.zeros(1, 3, 64, 64)


def test_ranges_worked_out_by_hand():
    # 0 .. 100 in one level of two batches, its negative in the other: 99th percentiles of |f| 99.
    level = torch.arange(101.0).view(1, 1, 1, 101)
    found = summarise([[level, level], [-level, -level]], side=808, images=2)
    assert found.step == 10 and found.signed and found.images == 2  # 99 / 10, one digit
    first, second = found.levels
    assert (first.stride, first.channels) == (8, 1)
    assert (first.minimum, first.maximum, first.negative) == (0, 100, 0)
    assert (second.minimum, second.maximum) == (-100, 0)
    assert second.negative == pytest.approx(100 / 101)
    assert first.percentiles == pytest.approx({1: 1, 50: 50, 99: 99}, abs=0.6)
    assert first.large == second.large == pytest.approx(99, abs=0.6)
    assert first.zero == pytest.approx(6 / 101)  # 0 .. 5, the halfway value goes down


def test_a_rectified_map_asks_for_no_sign_and_an_empty_one_for_a_step_of_one():
    level = torch.zeros(1, 1, 4, 4)
    found = summarise([[level]], side=32, images=1)
    assert found.step == 1 and not found.signed and found.levels[0].zero == 1


def test_the_table_and_the_json_say_the_step():
    found = summarise([[torch.randn(1, 4, 8, 8)]], side=64, images=1)
    console = Console(width=80, record=True)
    console.print(render(found, 'config.py'))
    shown = console.export_text()
    assert f'step={found.step:g}' in shown and '…' not in shown
    assert json.loads(json.dumps(found.as_dict()))['step'] == found.step


def test_a_config_without_a_teacher_is_refused():
    with pytest.raises(ValueError, match='has no teacher: name a config whose model has type'):
        calibrate(Config(dict(model=tiny_faster_rcnn_cfg())))


@pytest.mark.parametrize('make, kind, levels', [
    (tiny_rfcn_cfg, 'QuantizationMimic', [1]),  # not the RPN's map
    (tiny_faster_rcnn_cfg, 'TwoStageMimic', [0, 1, 2, 3]),  # not the RPN's coarsest
    (tiny_faster_rcnn_cfg, 'FGFI', [0, 1, 2, 3, 4]),
])  # fmt: skip
def test_only_levels_that_are_compared_are_measured(tmp_path, make, kind, levels):
    model = build_distill(
        tmp_path, student=make(), teacher=make(), methods=[dict(type=f'mmkd.{kind}')]
    )
    assert compared_levels(model, len(model.teacher.model.extract_feat(IMAGE))) == levels
