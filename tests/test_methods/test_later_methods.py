"""FGD and MGD: printed examples, loops, and a step in detectors."""

import pytest
import torch

from mmkd.losses.functional import box_masks, focal_errors
from mmkd.methods import FGD, MGD
from mmkd.testing import tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of, info_of, observe_maps
from tests.references.later import fgd


def double(values):
    return torch.tensor(values, dtype=torch.float64)


SMALL = (
    double([[[[0, 1], [2, 3]], [[1, 1], [0, 2]]]]),
    double([[[[1, 1], [2, 5]], [[0, 2], [0, 1]]]]),
)
BOX = double([[0, 0, 7, 7]])


def run(method, student, teacher, boxes, strides=(8,)):
    method.setup(info_of(student, strides), info_of(teacher, strides))
    method.double()
    sides = observe_maps(student, strides), observe_maps(teacher, strides)
    shape = tuple(count * strides[0] for count in student[0].shape[-2:])
    return method(*sides, batch_of(boxes, shape))


def test_the_printed_examples_of_fgd():
    zeros, ones = torch.zeros(1, 1, 4, 4).double(), torch.ones(1, 1, 4, 4).double()
    weights = dict(alpha=1e-3, beta=5e-4, gamma=1e-3, relation=5e-6)
    losses = run(FGD(**weights), [zeros], [ones], [BOX])
    assert sum(losses.values()).item() == pytest.approx(0.001580, abs=1e-9)
    losses = run(FGD(**weights), [SMALL[0]], [SMALL[1]], [BOX])
    values = [losses[f'loss_fgd_{key}'].item() for key in ('fg', 'bg', 'at', 'rel')]
    expected = [7.195153e-3, 0, 1.186955e-3, 8 * 5e-6]
    assert values == pytest.approx(expected, abs=1e-9)


def test_fgd_equals_its_loops_and_takes_images_without_boxes():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        torch.randn(2, 3, 5, 6, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    boxes = [double([[3, 4, 20, 21], [0, 0, 9, 30]]), torch.zeros(0, 4).double()]
    masks = box_masks(boxes, (5, 6), (40, 48))
    found = [part.mean().item() for part in focal_errors(student, teacher, *masks, 0.5)]
    expected = fgd(student.numpy(), teacher.numpy(), [b.tolist() for b in boxes], 8)
    assert found == pytest.approx(expected, abs=1e-6) and min(found) > 0


def test_the_printed_example_of_mgd(monkeypatch):
    method = MGD(loss_weight=1.0)
    method.setup(*(info_of([side], (8,)) for side in SMALL))
    for conv in (method.generators[0][0], method.generators[0][2]):
        torch.nn.init.dirac_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    keep = double([[[[1, 0], [1, 1]]]])
    monkeypatch.setattr(method, 'kept', lambda maps, batch: [keep])
    sides = [observe_maps([side], (8,)) for side in SMALL]
    loss = method.double()(*sides, batch_of([BOX], (16, 16)))['loss_mgd']
    assert loss.item() == pytest.approx(12.0, abs=1e-9)


def test_what_mgd_leaves_out_is_a_function_of_the_step():
    method, maps = MGD(drop=0.4), [torch.zeros(2, 3, 40, 50)]
    first, again, later = (
        method.kept(maps, batch_of([BOX], (8, 8), step=step))[0] for step in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, later)
    assert first.mean().item() == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize('num_boxes', [(3, 2), (0, 0)])
def test_one_step_in_detectors(tmp_path, num_boxes):
    methods = [dict(type='mmkd.FGD'), dict(type='mmkd.MGD')]
    for cfg in ({}, dict(student=tiny_retinanet_cfg(), teacher=tiny_retinanet_cfg())):
        model = build_distill(tmp_path, methods=methods, **cfg)
        found = loss_of(model, num_boxes=num_boxes)
        losses = [found[f'loss_{key}'] for key in ('fgd_fg', 'fgd_bg', 'fgd_at', 'fgd_rel', 'mgd')]
        sum(losses).backward()
        assert all(loss.isfinite() for loss in losses)
        assert all(p.grad is not None for p in model.distill['mgd'].generators.parameters())
