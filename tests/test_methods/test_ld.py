"""LD: the printed example, loops, a GFL pair."""

import pytest
import torch

from mmkd.losses.functional import edge_divergence, valuable_region
from mmkd.testing import tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.one_stage import tiny_gfl_cfg
from tests.references.ld import edge, region


def test_the_printed_example():
    student, teacher = ([1.0, 0, 2], [0.0, 3, 1])
    rows = [torch.tensor([side + [0.0] * 9], dtype=torch.float64) for side in (student, teacher)]
    assert edge(student, teacher, 10) * 0.5 / 4 == pytest.approx(0.076622, abs=1e-6)
    assert edge_divergence(*rows, 10.0).item() * 0.5 / 4 == pytest.approx(0.076622, abs=1e-6)


def test_the_region_equals_its_loops():
    generator = torch.Generator().manual_seed(0)
    anchors = []
    for stride, count in ((8, 6), (16, 3), (32, 2)):
        y, x = torch.meshgrid(torch.arange(count), torch.arange(count), indexing='ij')
        centre = torch.stack([x, y, x, y], dim=-1).view(-1, 4).double() * stride
        anchors.append(centre + torch.tensor([-4, -4, 4, 4]) * stride / 2)
    corner = torch.rand(3, 2, generator=generator).double() * 25
    boxes = torch.cat([corner, corner + 8 + 20 * torch.rand(3, 2, generator=generator)], dim=1)
    found = valuable_region(anchors, boxes)
    assert found.tolist() == region([level.tolist() for level in anchors], boxes.tolist(), 0.25)
    assert found.any() and not found.all()
    assert not valuable_region(anchors, boxes[:0]).any()


@pytest.mark.parametrize('num_boxes', [(3, 2), (0, 0)])
def test_one_step_of_a_gfl_pair(tmp_path, num_boxes):
    methods = [dict(type='mmkd.LD'), dict(type='mmkd.KD', on=['dense'], alpha=0.0)]
    cfg = tiny_gfl_cfg()
    model = build_distill(tmp_path, student=cfg, teacher=cfg, methods=methods)
    found = loss_of(model, num_boxes=num_boxes)
    losses = [found[f'loss_{key}'] for key in ('ld', 'ld_region', 'kd_dense')]
    sum(losses).backward()
    assert all(loss.isfinite() for loss in losses)
    assert bool(losses[0] > 0) is bool(losses[1] > 0) is (num_boxes == (3, 2))


def test_a_head_without_bins_is_refused(tmp_path):
    cfg = tiny_retinanet_cfg()
    with pytest.raises(ValueError, match='compares distributions .* says deltas'):
        build_distill(tmp_path, student=cfg, teacher=cfg, methods=[dict(type='mmkd.LD')])
    with pytest.raises(ValueError, match='every term of ld is left out'):
        weights = dict(main_weight=0, region_weight=0)
        build_distill(tmp_path, methods=[dict(type='mmkd.LD', **weights)])
