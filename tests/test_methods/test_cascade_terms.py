"""Methods on class logits and boxes, on a cascade stage by stage."""

import numpy as np
import pytest
import torch

from mmkd.observation import total_loss
from mmkd.testing import tiny_faster_rcnn_cfg
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_cascade_rcnn_cfg
from mmkd.testing.distill import build_distill, loss_of
from tests.references import binary_kd, logits
from tests.references.chen2017 import bounded_loss, soft_loss

CLASSES, WEIGHTS = 3, (1.0, 0.5)
STDS = (np.array([0.1, 0.1, 0.2, 0.2]), np.array([0.05, 0.05, 0.1, 0.1]))
METHODS = [
    dict(type='mmkd.SoftClassification', on='roi_stages', mu=0.25),
    dict(type='mmkd.BoundedRegression', on='roi_stages', margin=0.1),
    dict(type='mmkd.KD', on=['roi_stages'], temperature=1.0, alpha=0.5),
    dict(type='mmkd.BinaryKD', on='roi_stages'),
]


@pytest.fixture(scope='module')
def scene(tmp_path_factory):
    """A cascade under a wider one whose second stage encodes boxes with the first one's stds."""
    teacher = tiny_cascade_rcnn_cfg(base_channels=16)
    teacher.roi_head.bbox_head[1].bbox_coder.target_stds = list(STDS[0])
    model = build_distill(
        tmp_path_factory.mktemp('cascade'),
        student=tiny_cascade_rcnn_cfg(),
        teacher=teacher,
        methods=METHODS,
    )
    for side in (model.student, model.teacher.model):
        for parameter in side.roi_head.parameters():
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.double()
    data = model.data_preprocessor(demo_batch(), True)
    return model, model.observe(data['inputs'].double(), data['data_samples'])


def rows(seen, stage):
    """Student's and teacher's outputs of a stage, labels and weights, as arrays."""
    student, teacher = (side.roi_stages[stage] for side in (seen.student, seen.teachers['teacher']))
    outputs = [
        part.detach().numpy()
        for part in (student.cls_score, teacher.cls_score, student.bbox_pred, teacher.bbox_pred)
    ]
    return *outputs, [target.numpy() for target in student.targets]


def losses(scene, name):
    model, seen = scene
    return {key: value.item() for key, value in model.distill[name](*seen.by('teacher')).items()}


def test_classes_equal_the_loops_of_each_stage_and_count_by_its_weight(scene):
    soft, kd, binary = (losses(scene, name) for name in ('soft_cls', 'kd', 'binary_kd'))
    assert list(soft) == ['loss_soft_cls_rcn_s0', 'loss_soft_cls_rcn_s1']
    for stage, weight in enumerate(WEIGHTS):
        own, other, _, _, (_, label_weights, *_) = rows(scene[1], stage)
        expected = soft_loss(own, other, label_weights.tolist(), [1.0] * CLASSES + [1.5])
        assert soft[f'loss_soft_cls_rcn_s{stage}'] == pytest.approx(weight * 0.75 * expected)
        kept = label_weights > 0
        expected = logits.kd(own[kept], other[kept], 1.0)
        assert kd[f'loss_kd_rcn_s{stage}'] == pytest.approx(weight * 0.5 * expected)
        expected = binary_kd.class_loss(own, other, label_weights, len(own), False)
        assert binary[f'loss_binary_kd_cls_rcn_s{stage}'] == pytest.approx(weight * expected)


def test_boxes_are_compared_in_the_students_encoding_of_each_stage(scene):
    found = losses(scene, 'bounded_reg')
    for stage, weight in enumerate(WEIGHTS):
        _, _, own, other, (_, _, target, box_weights) = rows(scene[1], stage)
        other = other * STDS[0] / STDS[stage]
        positive = box_weights[:, 0] > 0
        expected = bounded_loss(own, other, target, positive, len(own), 0.1)
        assert expected > 0
        assert found[f'loss_bounded_reg_rcn_s{stage}'] == pytest.approx(weight * 0.5 * expected)


def test_the_hard_losses_of_stages_give_up_their_share(scene):
    model, seen = scene
    soft, kd = model.distill['soft_cls'], model.distill['kd']
    for stage in range(2):
        assert soft.task_loss_scale(f's{stage}.loss_cls', seen.batch) == 0.25
        assert kd.task_loss_scale(f's{stage}.loss_cls', seen.batch) == 0.5
    for name in ('s0.loss_bbox', 'loss_cls', 'loss_rpn_cls'):
        assert soft.task_loss_scale(name, seen.batch) == 1


def test_it_trains_with_and_without_objects_beside_the_rpn(tmp_path):
    on = ['roi_stages', 'rpn']
    methods = [dict(type='mmkd.Chen2017', on=on), dict(type='mmkd.DIST', on=on)]
    model = build_distill(
        tmp_path,
        student=tiny_cascade_rcnn_cfg(),
        teacher=tiny_cascade_rcnn_cfg(base_channels=16),
        methods=methods,
    )
    for boxes in ((0, 0), (2, 3)):
        model.zero_grad()
        found = loss_of(model, num_boxes=boxes)
        assert all(found[f'loss_chen2017_bounded_rcn_s{stage}'].isfinite() for stage in range(2))
        total_loss(found).backward()
    grads = [p.grad for p in model.student.roi_head.parameters() if p.grad is not None]
    assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize('student, teacher, message', [
    (tiny_cascade_rcnn_cfg, tiny_faster_rcnn_cfg, 'reads stages of a cascade, and FasterRCNN, the'),
    (tiny_faster_rcnn_cfg, tiny_cascade_rcnn_cfg, 'reads stages of a cascade, and FasterRCNN, the'),
])  # fmt: skip
def test_both_must_be_cascades(student, teacher, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        build_distill(tmp_path, student=student(), teacher=teacher(), methods=METHODS[:1])


def test_without_on_a_cascade_is_told_what_it_has(tmp_path):
    with pytest.raises(ValueError, match=r"on=\['roi_stages', 'rpn'\]"):
        build_distill(
            tmp_path,
            student=tiny_cascade_rcnn_cfg(),
            teacher=tiny_cascade_rcnn_cfg(base_channels=16),
            methods=[dict(type='mmkd.SoftClassification')],
        )
