import dataclasses

import numpy as np
import pytest
import torch

from mmkd.methods import Chen2017, SoftClassification
from mmkd.observation import HeadInfo
from mmkd.testing.heads import CLASSES, head_scene, observe_heads
from mmkd.testing.observations import batch_of, info_of
from tests.references.chen2017 import soft_loss


def info_with(sigmoid):
    heads = {field: HeadInfo(field in sigmoid, decoded=False) for field in ('rpn', 'roi_head')}
    return info_of([], (), heads=heads, num_classes=CLASSES)


def build(sigmoid=('rpn',), **kwargs):
    method = SoftClassification(**kwargs)
    info = info_with(sigmoid)
    method.setup(info, info)
    return method


def rpn_rows(maps, labels):
    """(rows, columns) in the order of the targets, cell by cell."""
    rows = []
    for level, label in zip(maps, labels, strict=True):
        images, channels, height, width = level.shape
        columns = channels * height * width // label.shape[1]
        for b, i, j in np.ndindex(images, height, width):
            rows += list(level[b, :, i, j].numpy().reshape(-1, columns))
    return np.array(rows)


@pytest.mark.parametrize('temperature', [1.0, 2.0])
@pytest.mark.parametrize('rpn_columns', [1, 2])
def test_equals_the_formula_in_loops(temperature, rpn_columns):
    scene = head_scene(rpn_columns=rpn_columns)
    method = build(('rpn',) if rpn_columns == 1 else (), mu=0.3, temperature=temperature)
    losses = method(*observe_heads(scene))
    student, teacher = scene['student'], scene['teacher']
    on_rois = soft_loss(
        student['cls_score'].numpy(),
        teacher['cls_score'].numpy(),
        scene['roi_targets'][1].tolist(),
        [1.0] * CLASSES + [1.5],
        temperature,
    )
    labels, weights, *_, avg_factor = scene['rpn_targets']
    on_anchors = soft_loss(
        rpn_rows(student['rpn_cls'], labels),
        rpn_rows(teacher['rpn_cls'], labels),
        torch.cat([level.flatten() for level in weights]).tolist(),
        [1.0, 1.5],
        temperature,
        avg_factor,
        sigmoid=rpn_columns == 1,
    )
    assert losses['loss_soft_cls_rcn'].item() == pytest.approx(0.7 * on_rois, abs=1e-6)
    assert losses['loss_soft_cls_rpn'].item() == pytest.approx(0.7 * on_anchors, abs=1e-6)


def test_a_sigmoid_roi_head_is_compared_column_by_column():
    scene = head_scene(columns=CLASSES)
    method = build(('rpn', 'roi_head'), mu=0.0, on='roi_head')
    expected = soft_loss(
        scene['student']['cls_score'].numpy(),
        scene['teacher']['cls_score'].numpy(),
        scene['roi_targets'][1].tolist(),
        [1.0] * CLASSES + [1.5],
        sigmoid=True,
    )
    losses = method(*observe_heads(scene))
    assert losses['loss_soft_cls_rcn'].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('on, keys', [
    ('roi_head', ['loss_soft_cls_rcn']),
    (['rpn'], ['loss_soft_cls_rpn']),
    (('roi_head', 'rpn'), ['loss_soft_cls_rcn', 'loss_soft_cls_rpn']),
])  # fmt: skip
def test_each_head_alone_and_both(on, keys):
    method = build(on=on)
    assert list(method(*observe_heads(head_scene()))) == keys
    assert len(method.teacher_fields) == len(keys)


def test_mu_scales_the_hard_losses_of_the_chosen_heads_alone():
    method, batch = build(mu=0.3, on='roi_head'), batch_of([], (1, 1))
    scales = [
        method.task_loss_scale(name, batch) for name in ('loss_cls', 'loss_rpn_cls', 'loss_bbox')
    ]
    assert scales == [0.3, 1, 1]
    assert build(mu=0.3).task_loss_scale('loss_rpn_cls', batch) == 0.3


@pytest.mark.parametrize('weight', [0.5, 1.0, 4.0])
@pytest.mark.parametrize('make', [
    lambda warm_up, mu: build(mu=mu, loss_weight=warm_up),
    lambda warm_up, mu: Chen2017(mu=mu, nu=0, gamma=0, loss_weight=warm_up, name='soft_cls'),
])  # fmt: skip
def test_hard_and_soft_loss_are_a_convex_combination_while_the_weight_rises(make, weight):
    # Five steps from 0 to the whole weight; mu 0.3.
    method = make(dict(type='warmup', value=weight, end=5, by_epoch=False), 0.3)
    method.setup(*[info_with({'rpn'})] * 2)
    student, teacher, batch = observe_heads(head_scene())
    soft = []
    for step, share in enumerate([0, 0.25, 0.5, 0.75, 1, 1]):
        batch = dataclasses.replace(batch, step=step)
        hard = 1 - 0.7 * share
        assert method.task_loss_scale('loss_cls', batch) == pytest.approx(hard)
        assert method.task_loss_scale('loss_rpn_cls', batch) == pytest.approx(hard)
        assert method.task_loss_scale('loss_bbox', batch) == 1
        found = method(student, teacher, batch)
        soft.append(sum(value for key, value in found.items() if 'loss' in key).item())
    assert soft == pytest.approx([share * soft[-1] for share in (0, 0.25, 0.5, 0.75, 1, 1)])


def test_a_share_that_changes_and_a_weight_that_changes_go_together():
    falling = dict(type='linear', start=1.0, stop=0.2, end=5, by_epoch=False)
    rising = dict(type='warmup', value=2.0, end=3, by_epoch=False)
    method = build(mu=falling, loss_weight=rising)
    # mu 1, 0.8, 0.6, 0.4 and shares 0, 0.5, 1, 1.
    for step, expected in enumerate([1, 0.9, 0.6, 0.4]):
        batch = batch_of([], (1, 1), step)
        assert method.task_loss_scale('loss_cls', batch) == pytest.approx(expected)


@pytest.mark.parametrize('kwargs', [{'mu': 1.0}, {'loss_weight': 0.0}])
def test_without_a_soft_part_it_is_not_run(kwargs):
    assert not build(**kwargs).active


def test_gradient():
    scene = head_scene()
    student = scene['student']
    inputs = [student['cls_score'], *student['rpn_cls']]
    for tensor in inputs:
        tensor.requires_grad_()
    method = build()

    def total(scores, *maps):
        student.update(cls_score=scores, rpn_cls=list(maps))
        return sum(method(*observe_heads(scene)).values())

    assert torch.autograd.gradcheck(total, inputs)


def test_anchors_and_rois_without_label_weight_have_no_gradient():
    scene = head_scene()
    student = scene['student']
    for tensor in (student['cls_score'], *student['rpn_cls']):
        tensor.requires_grad_()
    sum(build()(*observe_heads(scene)).values()).backward()
    assert not student['cls_score'].grad[-1].any() and student['cls_score'].grad[:-1].any()
    for grad, weights in zip(student['rpn_cls'], scene['rpn_targets'][1], strict=True):
        flat = grad.grad.permute(0, 2, 3, 1).reshape(weights.shape)
        assert torch.equal(flat != 0, weights > 0)


@pytest.mark.parametrize('scene', [
    dict(positives=0, positive_anchors=0),
    dict(rows=0, positives=0, sampled_anchors=0, positive_anchors=0),
    dict(images=1),
])  # fmt: skip
def test_all_background_and_no_row_at_all_are_finite_with_a_graph(scene):
    scene = head_scene(**scene)
    student = scene['student']
    tensors = student['cls_score'], *student['rpn_cls']
    for tensor in tensors:
        tensor.requires_grad_()
    losses = build()(*observe_heads(scene))
    sum(losses.values()).backward()
    empty = not len(scene['rois'])
    for value in losses.values():
        assert value.isfinite() and bool(value == 0) is empty
    assert all(tensor.grad is not None for tensor in tensors)


@pytest.mark.parametrize('kwargs, message', [
    ({'mu': 1.2}, r'mu must lie in \[0, 1\], got 1.2'),
    ({'mu': -0.1}, 'mu must be >= 0, got -0.1'),
    ({'on': 'roi'}, r"on must name one or more of \['roi_head', .*\], got 'roi'"),
    ({'on': []}, 'on must name'),
    ({'class_weights': [1, 1, 1]}, 'class_weights has 3 entries, but the head needs 4'),
])  # fmt: skip
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
