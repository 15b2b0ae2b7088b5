import numpy as np
import pytest
import torch

from mmkd.methods import Hint
from mmkd.observation import DetectorInfo, Observation
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of, info_of, observe_maps
from tests.references.hint import conv1x1, hint_loss

STRIDES = (8, 16)


@pytest.fixture
def maps():
    """Two levels of two images, by the number of channels."""
    generator = torch.Generator().manual_seed(0)

    def draw(channels):
        return [
            torch.randn(2, channels, 32 // s, 48 // s, generator=generator).double()
            for s in STRIDES
        ]

    return draw


def build(student, teacher, **kwargs):
    torch.manual_seed(1)
    method = Hint(**{'loss_weight': 1.0, **kwargs})
    method.setup(info_of(student, STRIDES), info_of(teacher, STRIDES))
    return method.double()


def run(method, student, teacher):
    batch = batch_of([torch.zeros(0, 4).double()] * 2, (32, 48))
    return method(observe_maps(student, STRIDES), observe_maps(teacher, STRIDES), batch)


@pytest.mark.parametrize('norm', ['l2', 'l1'])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_equals_the_formula_in_loops(maps, norm, reduction):
    student, teacher = maps(3), maps(5)
    method = build(student, teacher, norm=norm, reduction=reduction, loss_weight=0.7)
    adapted = [
        conv1x1(
            level.numpy(),
            adapter.conv.weight.detach().numpy()[:, :, 0, 0],
            adapter.conv.bias.detach().numpy(),
        )
        for level, adapter in zip(student, method.adapters, strict=True)
    ]
    expected = hint_loss(adapted, [level.numpy() for level in teacher], 0.7, norm, reduction)
    losses = run(method, student, teacher)
    assert list(losses) == ['loss_hint'] and np.isfinite(expected) and expected > 0
    assert losses['loss_hint'].item() == pytest.approx(expected, abs=1e-6)


def test_the_adapter_stays_where_channels_agree(maps):
    method = build(maps(3), maps(3))
    shapes = [tuple(adapter.conv.weight.shape) for adapter in method.adapters]
    assert shapes == [(3, 3, 1, 1)] * 2


def test_a_student_that_equals_the_teacher_through_the_adapter_pays_nothing(maps):
    teacher = maps(3)
    method = build(teacher, teacher)
    for adapter in method.adapters:
        torch.nn.init.dirac_(adapter.conv.weight)
        torch.nn.init.zeros_(adapter.conv.bias)
    assert run(method, teacher, teacher)['loss_hint'] == 0


def test_gradients_reach_student_and_adapters(maps):
    student = [level.requires_grad_() for level in maps(3)]
    method = build(student, maps(5))
    run(method, student, maps(5))['loss_hint'].backward()
    assert all(level.grad.any() for level in student)
    assert all(parameter.grad.any() for parameter in method.parameters())


def test_levels_paired_by_hand_compare_on_the_teachers_grid(maps):
    student, teacher = maps(3), maps(5)
    method = build(student, teacher, levels=[[0, 1]])
    resized = torch.nn.functional.interpolate(student[0], size=(2, 3), mode='bilinear')
    expected = (method.adapters[0](resized) - teacher[1]).square().mean()
    torch.testing.assert_close(run(method, student, teacher)['loss_hint'], expected)


def test_a_backbone_stage_instead_of_the_neck(maps):
    student, teacher = maps(3), maps(5)
    method = Hint(loss_weight=1.0, stage='backbone', levels=[[1, 1]])
    sides = [
        DetectorInfo({'features': None, 'backbone': info_of(side, STRIDES).backbone})
        for side in (student, teacher)
    ]
    method.setup(*sides)
    method.double()
    seen = [Observation(backbone=lambda _, side=side: side) for side in (student, teacher)]
    loss = method(*seen, batch_of([torch.zeros(0, 4)] * 2, (32, 48)))['loss_hint']
    expected = (method.adapters[0](student[1]) - teacher[1]).square().mean()
    torch.testing.assert_close(loss, expected)
    assert method.student_fields == method.teacher_fields == {'backbone'}


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match="stage must be one of .*got 'neck'"):
        Hint(stage='neck')


def test_it_trains_in_a_detector(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.Hint')])
    loss = loss_of(model)['loss_hint']
    loss.backward()
    assert loss > 0 and all(p.grad.any() for p in model.distill.parameters())


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match='loss_weight must be >= 0, got -1'):
        Hint(loss_weight=-1)
