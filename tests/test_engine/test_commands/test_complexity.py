import pytest
import torch
from mmengine.config import Config, ConfigDict
from torch import nn

from mmkd.engine.commands.complexity import count_flops, measure_complexity
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import distill_cfg


def test_a_convolution_costs_what_its_definition_says():
    # 8 outputs of 3 x 3 x 3 products at each of 16 x 24 places.
    layer = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert count_flops(layer, torch.zeros(1, 3, 16, 24)) == 8 * 27 * 16 * 24
    assert layer.weight.grad is None and 'forward' not in vars(layer)


@pytest.mark.parametrize('detector', [tiny_faster_rcnn_cfg, tiny_rfcn_cfg])
def test_backbone_and_detector_are_counted_apart_and_always_the_same(detector):
    config = Config(dict(model=detector()))
    before = torch.get_rng_state()
    cost = measure_complexity(config, (64, 96))
    assert torch.equal(before, torch.get_rng_state())
    assert 0 < cost.backbone_parameters < cost.parameters
    assert 0 < cost.backbone_flops < cost.flops
    assert measure_complexity(config, (64, 96)) == cost
    wider = measure_complexity(config, (64, 192))
    assert wider.backbone_flops == 2 * cost.backbone_flops
    assert wider.parameters == cost.parameters


def test_a_distillation_costs_its_student(tmp_path):
    student = tiny_faster_rcnn_cfg()
    distillation = Config(dict(model=distill_cfg(tmp_path, student=ConfigDict(student))))
    alone = Config(dict(model=student))
    assert measure_complexity(distillation, (64, 64)) == measure_complexity(alone, (64, 64))
