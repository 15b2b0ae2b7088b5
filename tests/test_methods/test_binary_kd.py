import dataclasses

import numpy as np
import pytest
import torch

from mmkd.fields.dense import DenseInfo
from mmkd.losses import RowLoss
from mmkd.losses.functional import one_against_rest
from mmkd.methods import BinaryKD, SoftClassification
from mmkd.observation import HeadInfo
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import CLASSES, dense_scene, head_scene, observe_dense, observe_heads
from mmkd.testing.observations import info_of
from tests.references import binary_kd as reference
from tests.references.chen2017 import decode, soft_loss

STDS = (0.1, 0.1, 0.2, 0.2)


def build(sigmoid=('rpn',), boxes='deltas', **kwargs):
    heads = {field: HeadInfo(field in sigmoid, decoded=False) for field in ('rpn', 'roi_head')}
    heads['dense'] = DenseInfo(True, boxes, False, convs=2, channels=3)
    info = info_of([], (), heads=heads, num_classes=CLASSES)
    method = BinaryKD(**kwargs)
    method.setup(info, info)
    return method


def arrays(*tensors):
    return [tensor.numpy() for tensor in tensors]


def boxes_of_class(priors, deltas, columns, stds=STDS):
    """Boxes of the named class of each row, or of the only one."""
    rows = [
        row.reshape(-1, 4)[column if row.size > 4 else 0]
        for row, column in zip(deltas, columns, strict=True)
    ]
    return decode(priors, np.array(rows), stds)


def expected_on_rois(scene, sigmoid, mode=None):
    labels, weights = scene['roi_targets'][0].tolist(), scene['roi_targets'][1].tolist()
    sides = scene['student'], scene['teacher']
    logits = arrays(*(side['cls_score'] for side in sides))
    if mode:
        agreed = reference.agreement(logits[1], labels, sigmoid, mode)
        weights = [u * a for u, a in zip(weights, agreed, strict=True)]
    columns = [int(np.argmax(row[:CLASSES])) for row in logits[1]]
    priors = scene['rois'][:, 1:].numpy()
    boxes = tuple(boxes_of_class(priors, side['bbox_pred'].numpy(), columns) for side in sides)
    count = len(labels)
    return (
        reference.class_loss(*logits, weights, count, sigmoid),
        reference.box_loss(*logits, boxes, weights, count, sigmoid),
    )


@pytest.mark.parametrize('mode', [None, 'only', 'weighted'])
@pytest.mark.parametrize('sigmoid', [False, True])
def test_rois_equal_the_formula_in_loops(sigmoid, mode):
    scene = head_scene(columns=CLASSES + (not sigmoid), student_boxes=1)
    method = build(('roi_head',) if sigmoid else (), on='roi_head', agreement=mode)
    losses = method(*observe_heads(scene))
    cls, loc = expected_on_rois(scene, sigmoid, mode)
    assert losses['loss_binary_kd_cls_rcn'].item() == pytest.approx(cls, abs=1e-6)
    assert losses['loss_binary_kd_loc_rcn'].item() == pytest.approx(4 * loc, abs=1e-6)


@pytest.mark.parametrize('mode', [None, 'only', 'weighted'])
@pytest.mark.parametrize('columns', [1, 2])
def test_anchors_equal_the_formula_in_loops(columns, mode):
    scene = head_scene(rpn_columns=columns)
    labels, weights, *_, count = scene['rpn_targets']
    labels, weights = (
        torch.cat([one.flatten() for one in side]).tolist() for side in (labels, weights)
    )
    sides = scene['student'], scene['teacher']
    logits = [reference.flat(arrays(*side['rpn_cls']), columns) for side in sides]
    if mode:
        agreed = reference.agreement(logits[1], labels, columns == 1, mode)
        weights = [u * a for u, a in zip(weights, agreed, strict=True)]
    # By level, then image: both images have the same anchors.
    priors = np.concatenate([np.concatenate([level.numpy()] * 2) for level in scene['anchors'][0]])
    boxes = tuple(
        decode(priors, reference.flat(arrays(*side['rpn_bbox']), 4), (1,) * 4) for side in sides
    )
    method = build(('rpn',) if columns == 1 else (), on='rpn', agreement=mode, loss_weight=0.5)
    losses = method(*observe_heads(scene))
    cls = reference.class_loss(*logits, weights, count, columns == 1)
    loc = reference.box_loss(*logits, boxes, weights, count, columns == 1)
    assert losses['loss_binary_kd_cls_rpn'].item() == pytest.approx(0.5 * cls, abs=1e-6)
    assert losses['loss_binary_kd_loc_rpn'].item() == pytest.approx(2 * loc, abs=1e-6)


def dense_boxes(kind, output, images=2):
    rows = reference.flat(arrays(*output.bbox_pred), 20 if kind == 'bins' else 4)
    if kind != 'deltas':
        return np.array([reference.centred_box(row) for row in rows])
    priors = np.concatenate([np.concatenate([level.numpy()] * images) for level in output.priors])
    return decode(priors, rows, STDS)


@pytest.mark.parametrize('kind', ['deltas', 'distances', 'bins'])
def test_a_one_stage_head_equals_the_formula_in_loops(kind):
    scene = dense_scene(kind)
    student, teacher = scene['student'], scene['teacher']
    weights = torch.cat([level.flatten() for level in student.label_weights]).tolist()
    logits = [reference.flat(arrays(*side.cls_score), CLASSES) for side in (student, teacher)]
    boxes = tuple(dense_boxes(kind, side) for side in (student, teacher))
    losses = build(boxes=kind, on='dense')(*observe_dense(scene))
    cls = reference.class_loss(*logits, weights, 3, True)
    loc = reference.box_loss(*logits, boxes, weights, 3, True)
    assert losses['loss_binary_kd_cls_dense'].item() == pytest.approx(cls, abs=1e-6)
    assert losses['loss_binary_kd_loc_dense'].item() == pytest.approx(4 * loc, abs=1e-6)


def test_value_worked_out_by_hand():
    # p_S = 0.5 and p_T = 0.8: a gap of 0.3, an entropy of log 2; two rows, the second counts half.
    student, teacher = torch.zeros(2, 1).double(), torch.full((2, 1), np.log(4.0)).double()
    loss = RowLoss('binary', 2.0)(
        student=student, teacher=teacher, weight=torch.tensor([1.0, 0.5]), avg_factor=3
    )
    assert loss.item() == pytest.approx(2 * 1.5 * 0.3 * np.log(2) / 3)


@pytest.mark.parametrize('logits', [[[1.0, 0, 0]], [[40.0, 0, -5]], [[0.3, 0.3, 0.3]]])
def test_one_class_against_the_rest_has_the_probabilities_of_the_softmax(logits):
    logits = torch.tensor(logits, requires_grad=True)
    found = one_against_rest(logits)
    torch.testing.assert_close(found.sigmoid(), logits.softmax(dim=1), rtol=1e-5, atol=1e-30)
    found.sum().backward()
    assert found.isfinite().all() and logits.grad.isfinite().all()


@pytest.mark.parametrize('detach', [False, True])
def test_gradient_flows_through_the_factor_unless_it_is_detached(detach):
    student = torch.zeros(1, 1).double().requires_grad_()
    teacher = torch.full((1, 1), np.log(4.0)).double()
    RowLoss('binary_detached' if detach else 'binary')(
        student=student, teacher=teacher, weight=torch.ones(1), avg_factor=1
    ).backward()
    # d BCE = p_S - p_T = -0.3, d w = -p (1 - p) = -0.25.
    expected = 0.3 * -0.3 + (0 if detach else -0.25 * np.log(2))
    assert student.grad.item() == pytest.approx(expected)


def test_gradient():
    scene = head_scene()
    student = scene['student']
    inputs = [student['cls_score'], student['bbox_pred'], *student['rpn_cls'], *student['rpn_bbox']]
    method = build(detach_factor=False, loc_weight=0)

    def total(scores, boxes, *maps):
        student.update(cls_score=scores, bbox_pred=boxes, rpn_cls=maps[:2], rpn_bbox=maps[2:])
        return sum(method(*observe_heads(scene)).values())

    for tensor in [inputs[0], *inputs[2:4]]:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(total, inputs)
    # The factor of the boxes is a constant, so only they are varied.
    method = build(cls_weight=0)
    for place, tensor in enumerate(inputs):
        tensor.requires_grad_(place in (1, 4, 5))
    assert torch.autograd.gradcheck(total, inputs)


@pytest.mark.parametrize('kwargs', [dict(rows=0, positives=0), dict(positives=0)])
def test_no_roi_and_no_positive_are_finite_and_keep_the_graph(kwargs):
    scene = head_scene(**kwargs)
    scores = scene['student']['cls_score'].requires_grad_()
    losses = build(on='roi_head')(*observe_heads(scene))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values()) and scores.grad is not None
    assert kwargs.get('rows') != 0 or all(loss == 0 for loss in losses.values())


def test_no_positive_on_a_one_stage_head_is_finite():
    losses = build(on='dense')(*observe_dense(dense_scene('deltas', positives=0)))
    assert all(loss.isfinite() and loss > 0 for loss in losses.values())


def test_equal_heads_cost_nothing():
    scene = head_scene()
    scene['teacher'] = scene['student']
    losses = build()(*observe_heads(scene))
    assert all(loss.abs() < 1e-12 for loss in losses.values())


@pytest.mark.parametrize('kwargs, message', [
    (dict(on='neck'), r"on must name one or more of \['roi_head', .*\], got 'neck'"),
    (dict(agreement='all'), r"agreement must be one of \[None, 'only', 'weighted'\], got 'all'"),
    (dict(cls_weight=0, loc_weight=0), 'every term of binary_kd is left out'),
    (dict(loc_weight=-1), 'loc_weight must be >= 0'),
])  # fmt: skip
def test_refuses(kwargs, message):
    with pytest.raises(ValueError, match=message):
        BinaryKD(**kwargs)


def test_weight_zero_is_not_run():
    assert not BinaryKD(loss_weight=0).active


def test_a_detector_trains_a_step(tmp_path):
    model = build_distill(tmp_path, methods=[dict(type='mmkd.BinaryKD', on=['roi_head', 'rpn'])])
    losses = loss_of(model)
    assert all(losses[key].isfinite() for key in losses if 'binary' in key)
    sum(losses[key] for key in losses if 'binary' in key).backward()
    assert model.student.rpn_head.rpn_cls.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('mode', ['only', 'weighted'])
def test_soft_classification_counts_rows_by_agreement(mode):
    scene = head_scene()
    info = info_of([], (), num_classes=CLASSES)
    method = SoftClassification(mu=0.0, on='roi_head', agreement=mode)
    method.setup(info, info)
    labels, label_weights, *_ = scene['roi_targets']
    logits = arrays(scene['student']['cls_score'], scene['teacher']['cls_score'])
    agreed = reference.agreement(logits[1], labels.tolist(), False, mode)
    assert 0 < sum(agreed) < len(agreed)
    rows = int(label_weights.sum())
    expected = sum(
        a * soft_loss(s[None], t[None], [u], [1.0] * CLASSES + [1.5], avg_factor=1)
        for s, t, u, a in zip(*logits, label_weights.tolist(), agreed, strict=True)
    )
    loss = method(*observe_heads(scene))['loss_soft_cls_rcn']
    assert loss.item() == pytest.approx(expected / rows, abs=1e-6)


def test_rows_without_label_weight_count_nowhere():
    scene = dense_scene('deltas')
    student = scene['student']
    off = [torch.zeros_like(level) for level in student.label_weights]
    scene['student'] = dataclasses.replace(student, label_weights=off)
    assert all(loss == 0 for loss in build(on='dense')(*observe_dense(scene)).values())
