import numpy as np
import pytest
import torch

from mmkd.methods import BoundedRegression
from mmkd.methods.head_samples import in_students_encoding
from mmkd.observation import HeadInfo
from mmkd.testing.heads import CLASSES, coder, head_scene, observe_heads
from mmkd.testing.observations import info_of
from tests.references.chen2017 import bounded_loss, decode, encode

STDS = (0.1, 0.1, 0.2, 0.2)


def build(decoded=(), **kwargs):
    method = BoundedRegression(**{'loss_weight': 1.0, **kwargs})
    heads = {field: HeadInfo(sigmoid=False, decoded=True) for field in decoded}
    info = info_of([], (), heads=heads, num_classes=CLASSES)
    method.setup(info, info)
    return method


def gathered(deltas, labels):
    """(rows, 4): the columns of each row's class, or the only ones; background rows any."""
    return np.array([
        row[:4] if len(row) == 4 or label == CLASSES else row[4 * label : 4 * label + 4]
        for row, label in zip(deltas.numpy(), labels.tolist(), strict=True)
    ])  # fmt: skip


def rpn_rows(maps):
    rows = []
    for level in maps:
        images, _, height, width = level.shape
        for b, i, j in np.ndindex(images, height, width):
            rows += list(level[b, :, i, j].numpy().reshape(-1, 4))
    return np.array(rows)


def expected_on_rois(scene, margin=0.0, teacher=None, target=None):
    labels, _, targets, weights = scene['roi_targets']
    return bounded_loss(
        gathered(scene['student']['bbox_pred'], labels),
        gathered(scene['teacher']['bbox_pred'], labels) if teacher is None else teacher,
        targets.numpy() if target is None else target,
        (weights[:, 0] > 0).tolist(),
        len(labels),
        margin,
    )


@pytest.mark.parametrize('margin', [0.0, 3.0])
@pytest.mark.parametrize('student_boxes', [CLASSES, 1])
@pytest.mark.parametrize('teacher_boxes', [CLASSES, 1])
def test_equals_the_formula_in_loops(margin, student_boxes, teacher_boxes):
    scene = head_scene(
        rows=40,
        positives=15,
        student_boxes=student_boxes,
        teacher_boxes=teacher_boxes,
        positive_anchors=12,
    )
    losses = build(margin=margin, loss_weight=0.5)(*observe_heads(scene))
    expected = 0.5 * expected_on_rois(scene, margin)
    assert losses['loss_bounded_reg_rcn'].item() == pytest.approx(expected, abs=1e-6)
    _, _, targets, weights, avg_factor = scene['rpn_targets']
    on_anchors = bounded_loss(
        rpn_rows(scene['student']['rpn_bbox']),
        rpn_rows(scene['teacher']['rpn_bbox']),
        np.concatenate([level.reshape(-1, 4).numpy() for level in targets]),
        [bool(row) for level in weights for row in level.reshape(-1, 4)[:, 0]],
        avg_factor,
        margin,
    )
    assert expected > 0 and on_anchors > 0
    assert losses['loss_bounded_reg_rpn'].item() == pytest.approx(0.5 * on_anchors, abs=1e-6)


def test_a_teacher_with_other_stds_is_brought_into_the_students_encoding():
    scene = head_scene(rows=30, positives=12, student_boxes=1, teacher_boxes=1)
    for side in ('student', 'teacher'):
        scene[side]['bbox_pred'] *= 0.5
    other = (0.2, 0.3, 0.1, 0.4)
    boxes = scene['rois'][:, 1:].numpy()
    teacher = decode(boxes, scene['teacher']['bbox_pred'].numpy(), other)
    expected = expected_on_rois(scene, teacher=encode(boxes, teacher, STDS))
    assert expected != pytest.approx(expected_on_rois(scene))
    seen = observe_heads(scene, coder(STDS), coder(other))
    loss = build(on='roi_head')(*seen)['loss_bounded_reg_rcn']
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.bfloat16])
def test_large_deltas_are_converted_by_formula_and_not_clamped(dtype):
    # log(1000 / 16) = 4.14 is where decoding would clamp the logarithms of width and height.
    student, teacher = coder((0.1, 0.1, 0.2, 0.2)), coder((0.2, 0.4, 1.0, 2.0))
    student.means, teacher.means = (0.1, 0.0, 0.0, 0.5), [0.0, 0.2, -1.0, 0.0]
    deltas = torch.tensor([[1.0, -2, 6, 5], [300, 0, -8, 0.5]], dtype=dtype)
    # (1 * 0.2 + 0 - 0.1) / 0.1, (-2 * 0.4 + 0.2 - 0) / 0.1, (6 - 1) / 0.2, (5 * 2 - 0.5) / 0.2.
    expected = [[1.0, -6, 25, 47.5], [599, 2, -45, 2.5]]
    wide = torch.promote_types(dtype, torch.float32)
    found = in_students_encoding(deltas, student, teacher)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=wide))
    assert in_students_encoding(deltas, student, student) is deltas


@pytest.mark.parametrize('head', ['roi_head', 'rpn'])
def test_decoded_targets_are_encoded_with_the_students_coder(head):
    encoded = head_scene()
    plain = build(on=head)(*observe_heads(encoded, coder(), coder()))
    decoded = head_scene()
    if head == 'roi_head':
        labels, weights, targets, box_weights = decoded['roi_targets']
        boxes = coder().decode(decoded['rois'][:, 1:], targets, wh_ratio_clip=1e-9)
        decoded['roi_targets'] = labels, weights, boxes, box_weights
    else:
        labels, weights, targets, box_weights, avg_factor = decoded['rpn_targets']
        boxes = [
            torch.stack([
                coder().decode(anchors, image, wh_ratio_clip=1e-9) for image in level
            ])
            for level, anchors in zip(targets, decoded['anchors'][0], strict=True)
        ]  # fmt: skip
        decoded['rpn_targets'] = labels, weights, boxes, box_weights, avg_factor
    losses = build((head,), on=head)(*observe_heads(decoded, coder(), coder()))
    torch.testing.assert_close(losses, plain, rtol=1e-6, atol=1e-6)


def test_a_teacher_that_copies_the_student_charges_nothing():
    scene = head_scene()
    scene['teacher'] = scene['student']
    assert not any(build()(*observe_heads(scene)).values())


def test_gradient_and_only_positive_rows_have_one():
    scene = head_scene()
    student = scene['student']
    inputs = [student['bbox_pred'], *student['rpn_bbox']]
    for tensor in inputs:
        tensor.requires_grad_()
    method = build(margin=1e6)  # every positive row is charged: no gate lies near its threshold

    def total(deltas, *maps):
        student.update(bbox_pred=deltas, rpn_bbox=list(maps))
        return sum(method(*observe_heads(scene)).values())

    assert torch.autograd.gradcheck(total, inputs)
    total(*inputs).backward()
    charged = inputs[0].grad.view(-1, CLASSES, 4).any(dim=2)
    labels, positive = scene['roi_targets'][0], scene['roi_targets'][3][:, 0] > 0
    expected = (labels[:, None] == torch.arange(CLASSES)) & positive[:, None]
    assert torch.equal(charged, expected)


@pytest.mark.parametrize('kwargs', [
    dict(positives=0, positive_anchors=0),
    dict(rows=0, positives=0, sampled_anchors=0, positive_anchors=0),
])  # fmt: skip
def test_without_a_positive_row_it_is_a_zero_with_a_graph(kwargs):
    scene = head_scene(**kwargs)
    student = scene['student']
    tensors = student['bbox_pred'], *student['rpn_bbox']
    for tensor in tensors:
        tensor.requires_grad_()
    losses = build()(*observe_heads(scene))
    sum(losses.values()).backward()
    assert not any(losses.values()) and all(tensor.grad is not None for tensor in tensors)


@pytest.mark.parametrize('kwargs, message', [
    ({'loss_weight': -1}, 'loss_weight must be >= 0, got -1'),
    ({'margin': -1}, 'margin must be >= 0, got -1'),
    ({'on': ('roi_head', 'roi_head')}, 'on must name'),
])  # fmt: skip
def test_bad_constants_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)
