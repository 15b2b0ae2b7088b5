import numpy as np
import pytest
import torch

from mmkd.methods import ProposalMimic, TwoStageMimic
from mmkd.testing import tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import CLASSES, coder, head_scene, observe_heads
from tests.references.chen2017 import decode, encode
from tests.references.proposal_mimic import mimic_loss

OUTPUTS = dict(feats_weight=0, mimic=dict(loss_weight=0))


def rows(values):
    return [row[:, None, None] for row in values]


def class_columns(deltas, labels):
    return np.stack([
        row.reshape(-1, 4)[label if len(row) > 4 else 0]
        for row, label in zip(deltas, labels, strict=True)
    ])  # fmt: skip


def losses_of(method, scene, **coders):
    method.setup(None, None)
    return method(*observe_heads(scene, **coders))


@pytest.mark.parametrize('normalize', ['elements', 'none'])
@pytest.mark.parametrize('student_boxes', [1, CLASSES])
@pytest.mark.parametrize('seed', [0, 1])
def test_outputs_equal_the_formula_in_loops(normalize, student_boxes, seed):
    scene = head_scene(seed, student_boxes=student_boxes)
    found = losses_of(
        TwoStageMimic(
            loss_weight=2, cls_weight=0.3, bbox_weight=0.7, normalize=normalize, **OUTPUTS
        ),
        scene,
    )
    ours, theirs = (
        {key: scene[side][key].numpy() for key in ('cls_score', 'bbox_pred')}
        for side in ('student', 'teacher')
    )
    expected = mimic_loss(rows(ours['cls_score']), rows(theirs['cls_score']), normalize, 2 * 0.3)
    assert found['loss_two_stage_mimic_cls'].item() == pytest.approx(expected, rel=1e-9)
    labels = scene['roi_targets'][0].numpy()
    positive = labels < CLASSES
    boxes = [
        rows(class_columns(side['bbox_pred'][positive], labels[positive]))
        for side in (ours, theirs)
    ]
    # Positive RoIs pay; all sampled ones divide.
    expected = mimic_loss(*boxes, normalize, 2 * 0.7, count=len(labels))
    assert found['loss_two_stage_mimic_bbox'].item() == pytest.approx(expected, rel=1e-9)
    assert list(found) == ['loss_two_stage_mimic_cls', 'loss_two_stage_mimic_bbox']


def test_a_teacher_of_other_stds_is_brought_into_the_students_encoding():
    scene, stds = head_scene(0), (0.2, 0.2, 0.4, 0.4)
    found = losses_of(TwoStageMimic(cls_weight=0, **OUTPUTS), scene, teacher_coder=coder(stds))
    labels = scene['roi_targets'][0].numpy()
    positive = labels < CLASSES
    priors = scene['rois'].numpy()[positive, 1:]
    ours, theirs = (
        class_columns(scene[side]['bbox_pred'].numpy()[positive], labels[positive])
        for side in ('student', 'teacher')
    )
    moved = encode(priors, decode(priors, theirs, stds), (0.1, 0.1, 0.2, 0.2))
    expected = mimic_loss(rows(ours), rows(moved), 'elements', count=len(labels))
    assert found['loss_two_stage_mimic_bbox'].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    'scene', [dict(rows=0, positives=0), dict(positives=0), dict(rows=1, positives=1)]
)
def test_no_roi_and_no_positive_are_finite(scene):
    scene = head_scene(0, **scene)
    for key in ('cls_score', 'bbox_pred'):
        scene['student'][key].requires_grad_()
    found = losses_of(TwoStageMimic(**OUTPUTS), scene)
    sum(found.values()).backward()
    assert all(value.isfinite() for value in found.values())
    assert scene['student']['bbox_pred'].grad.isfinite().all()


@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
def test_trains_in_a_detector_and_counts_every_term(tmp_path, make):
    model = build_distill(
        tmp_path,
        student=make(),
        teacher=make(base_channels=16),
        methods=[dict(type='mmkd.TwoStageMimic')],
    ).eval()
    torch.manual_seed(0)
    losses = loss_of(model)
    names = ('feats', 'cls', 'bbox', 'proposals')
    found = {name: losses[f'loss_two_stage_mimic_{name}'] for name in names}
    assert all(value > 0 and value.isfinite() for value in found.values())
    sum(found.values()).backward()
    grads = {name: p.grad for name, p in model.distill.named_parameters()}
    assert all(grad is not None for grad in grads.values())
    assert any(grad.any() for name, grad in grads.items() if '.adapter.' in name)
    assert any(grad.any() for name, grad in grads.items() if '.mimic.' in name)
    assert all(p.grad is None for p in model.teacher.model.parameters())
    head = model.student.roi_head.bbox_head
    assert head.fc_cls.weight.grad.any() and head.fc_reg.weight.grad.any()


def test_the_pooled_features_are_those_of_the_sampled_rois(tmp_path):
    from mmkd.testing import demo_batch

    model = build_distill(
        tmp_path,
        methods=[dict(type='mmkd.TwoStageMimic', cls_weight=0, bbox_weight=0)],
    ).eval()
    data = model.data_preprocessor(demo_batch(), True)
    seen = model.observe(data['inputs'], data['data_samples'])
    student, teacher, batch = seen.by('teacher')
    method = model.distill['two_stage_mimic']
    loss = method(student, teacher, batch)['loss_two_stage_mimic_feats']
    with torch.no_grad():
        ours = method.adapter(student.roi_head.bbox_feats).numpy()
    expected = mimic_loss(list(ours), list(teacher.roi_head.bbox_feats.numpy()), 'elements')
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_only_what_is_asked_for_is_read():
    both = TwoStageMimic()
    assert both.student_fields == {'features', 'proposals', 'roi_head', 'bbox_coder'}
    assert both.teacher_fields == {'features', 'roi_head', 'bbox_coder'}
    assert TwoStageMimic(bbox_weight=0, mimic=dict(loss_weight=0)).teacher_fields == {'roi_head'}
    alone = TwoStageMimic(feats_weight=0, cls_weight=0, bbox_weight=0)
    assert alone.teacher_fields == ProposalMimic().teacher_fields


@pytest.mark.parametrize('kwargs, message', [
    ({'cls_weight': -1}, 'cls_weight must be >= 0, got -1'),
    ({'normalize': 'mean'}, 'normalize must be one of'),
    ({'mimic': dict(region='pool')}, 'region must be one of'),
    ({'mimic': dict(regon='crop')}, "mimic: ProposalMimic has no argument 'regon'. Did you"),
    (dict(OUTPUTS, cls_weight=0, bbox_weight=0), 'every term of two_stage_mimic is left out'),
])  # fmt: skip
def test_bad_settings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TwoStageMimic(**kwargs)


def test_pooled_features_of_other_bins_are_refused_with_a_remedy(tmp_path):
    method = dict(type='mmkd.TwoStageMimic', mimic=dict(levels=[[1, 2]]))
    model = build_distill(tmp_path, student=tiny_rfcn_cfg(), methods=[method])
    with pytest.raises(ValueError, match=r'\(3, 3\) bins .* \(7, 7\): .* set feats_weight=0'):
        loss_of(model)
