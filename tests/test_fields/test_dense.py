"""One naming of what one-stage heads say: outputs, towers, priors and targets."""

import pytest
import torch
from mmdet.models.dense_heads import paa_head
from mmdet.structures.bbox import bbox_overlaps
from mmengine.logging import MessageHub

from mmkd.detectors.describe import describe
from mmkd.fields import offered_fields
from mmkd.methods import DistillMethod
from mmkd.methods.head_samples import flat_rows
from mmkd.registry import MODELS
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_faster_rcnn_cfg, tiny_fcos_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_distill, build_plain
from mmkd.testing.one_stage import (
    MIXTURES,
    tiny_atss_cfg,
    tiny_gfl_cfg,
    tiny_paa_cfg,
    tiny_rtmdet_cfg,
    tiny_tood_cfg,
    tiny_yolox_cfg,
)


def tiny_shared_rtmdet_cfg(**kw):
    return tiny_rtmdet_cfg(separate=False, **kw)


HEADS = {
    'retinanet': (tiny_retinanet_cfg, 9, 4, 'deltas'),
    'atss': (tiny_atss_cfg, 1, 4, 'deltas'),
    'gfl': (tiny_gfl_cfg, 1, 32, 'bins'),
    'fcos': (tiny_fcos_cfg, 1, 4, 'distances'),
    'paa': (tiny_paa_cfg, 1, 4, 'deltas'),
    'tood': (tiny_tood_cfg, 1, 4, 'distances'),
    'rtmdet': (tiny_rtmdet_cfg, 1, 4, 'distances'),
    'shared_rtmdet': (tiny_shared_rtmdet_cfg, 1, 4, 'distances'),
    'yolox': (tiny_yolox_cfg, 1, 4, 'deltas'),
}


def fcos_on_box(**kw):
    cfg = tiny_fcos_cfg(**kw)
    cfg.bbox_head.norm_on_bbox = True
    return cfg


def observed(folder, build, teacher=None, **kw):
    """One training step of a detector under a wider one of its kind."""
    # This method reads `dense` of both.
    model = build_distill(
        folder,
        student=build(),
        teacher=build(base_channels=16) if teacher is None else teacher,
        methods=[dict(type='mmkd.DenseReader')],
        **kw,
    )
    torch.manual_seed(0)
    data = model.data_preprocessor(demo_batch(), True)
    MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks for it
    return model, data, model.observe(data['inputs'], data['data_samples'])


@pytest.fixture(autouse=True, scope='module')
def reader():
    class DenseReader(DistillMethod):
        student_fields = frozenset({'dense', 'dense_bbox_coder', 'features', 'outputs'})
        teacher_fields = frozenset({'dense'})

        def forward(self, student, teacher, batch):
            pairs = zip(student.dense.cls_score, teacher.dense.cls_score, strict=True)
            return {'loss_dense': torch.stack([(a - b).square().mean() for a, b in pairs]).sum()}

    MODELS.register_module(module=DenseReader)
    yield
    MODELS.module_dict.pop('DenseReader')


@pytest.fixture(autouse=True)
def first_epoch():
    MessageHub.get_current_instance().update_info('epoch', 0)  # TOOD asks for it


@pytest.fixture(autouse=True, scope='module')
def mixtures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paa_head, 'skm', MIXTURES)
        yield


@pytest.fixture(scope='module', params=HEADS)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def scene(name, reader, mixtures, tmp_path_factory):
    return observed(tmp_path_factory.mktemp(name), HEADS[name][0])


class TestEveryHead:
    def test_shapes_are_those_of_the_priors(self, name, scene):
        _, anchors, numbers, kind = HEADS[name]
        model, _, seen = scene
        student, teacher = seen.student.dense, seen.teachers['teacher'].dense
        for level, priors in enumerate(student.priors):
            images, _, height, width = student.cls_score[level].shape
            assert len(priors) == height * width * anchors
            assert student.cls_score[level].shape == (images, anchors * 3, height, width)
            assert student.bbox_pred[level].shape == (images, anchors * numbers, height, width)
            assert student.labels[level].shape == student.label_weights[level].shape
            assert student.labels[level].shape == (images, len(priors))
            assert student.bbox_targets[level].shape == (images, len(priors), 4)
            assert teacher.cls_score[level].shape == student.cls_score[level].shape
        assert teacher.priors is student.priors and teacher.labels is None
        assert describe(model.student, 'student').dense.boxes == kind

    def test_there_are_positives_and_background_is_the_last_label(self, scene):
        dense = scene[2].student.dense
        labels = torch.cat([level.flatten() for level in dense.labels])
        assert set(labels.tolist()) <= {0, 1, 2, 3}
        assert (labels < 3).sum() >= 1 and (labels == 3).sum() > (labels < 3).sum()

    def test_towers_are_the_maps_before_each_activation(self, name, scene):
        model, data, seen = scene
        if name in ('tood', 'yolox'):
            pytest.skip('TOOD has no towers, and YOLOX no scores of classes alone')
        for side, detector in (
            (seen.student.dense, model.student),
            (seen.teachers['teacher'].dense, model.teacher.model),
        ):
            head = detector.bbox_head
            assert len(side.cls_maps) == describe(detector, 'student').dense.convs
            assert any((level < 0).any() for level in side.cls_maps[0])
            # The next layer, or the predictor, reads them activated.
            predictors = next(
                getattr(head, part)
                for part in ('retina_cls', 'atss_cls', 'gfl_cls', 'conv_cls', 'rtm_cls')
                if hasattr(head, part)
            )
            activate = torch.nn.SiLU() if 'rtmdet' in name else torch.nn.ReLU()
            for place, (level, maps) in enumerate(
                zip(side.cls_score, side.cls_maps[-1], strict=True)
            ):
                predictor = predictors[place] if name == 'rtmdet' else predictors
                torch.testing.assert_close(predictor(activate(maps)), level)

    def test_recording_changes_no_loss(self, scene):
        model, data, seen = scene
        torch.manual_seed(0)
        plain = model.student.loss(data['inputs'], data['data_samples'])
        for key, value in plain.items():
            torch.testing.assert_close(value, seen.losses[key])

    def test_the_teachers_head_runs_on_what_it_is_lent_from_any_layer_on(self, name, scene):
        model, data, seen = scene
        if name == 'tood':
            assert seen.teachers['teacher'].dense.cls_maps == []
            return
        teacher = seen.teachers['teacher']
        before = {k: v.clone() for k, v in model.teacher.model.state_dict().items()}
        for layer in range(len(teacher.dense.cls_maps)):
            cls_maps, reg_maps = (
                [level.clone().requires_grad_() for level in maps[layer]]
                for maps in (teacher.dense.cls_maps, teacher.dense.reg_maps)
            )
            lent = teacher.apply('dense', cls_maps, reg_maps, layer=layer)
            for given, own in zip(lent.cls_score, teacher.dense.cls_score, strict=True):
                torch.testing.assert_close(given, own)
            for given, own in zip(lent.bbox_pred, teacher.dense.bbox_pred, strict=True):
                torch.testing.assert_close(given, own)
            sum(level.sum() for level in lent.cls_score + lent.bbox_pred).backward()
            assert all(level.grad.abs().sum() > 0 for level in cls_maps + reg_maps)
        assert all(p.grad is None for p in model.teacher.model.parameters())
        for key, value in model.teacher.model.state_dict().items():
            assert torch.equal(value, before[key])
        with pytest.raises(ValueError, match='layer must be one of'):
            teacher.apply('dense', cls_maps, reg_maps, layer=9)

    def test_one_step_trains(self, scene):
        model, data, _ = scene
        losses = model.loss(data['inputs'], data['data_samples'])
        assert losses['loss_dense'].isfinite()
        model.parse_losses(losses)[0].backward()

    def test_the_heads_own_losses_follow_from_the_field(self, name, scene):
        model, data, seen = scene
        head, dense = model.student.bbox_head, seen.student.dense
        scores = flat_rows(dense.cls_score, dense.labels)
        labels, weights = (
            torch.cat([level.flatten() for level in levels])
            for levels in (dense.labels, dense.label_weights)
        )
        positive = labels < 3
        found = dict(avg_factor=dense.avg_factor)
        if name in ('paa', 'retinanet', 'atss', 'fcos'):
            expected = head.loss_cls(scores, labels, weights, **found)
        elif name == 'tood':
            expected = head.initial_loss_cls(scores.sigmoid(), labels, weights, **found)
        elif 'rtmdet' in name:
            quality = torch.zeros_like(weights)
            ious = bbox_overlaps(*positive_boxes(model, seen, positive), is_aligned=True)
            quality[positive] = ious
            assert dense.avg_factor == pytest.approx(ious.sum().item())
            found = dict(avg_factor=max(dense.avg_factor, 1))
            expected = head.loss_cls(scores, (labels, quality.detach()), weights, **found)
        elif name == 'yolox':
            own, target = positive_boxes(model, seen, positive)
            loss = head.loss_bbox(own, target) / dense.avg_factor
            torch.testing.assert_close(loss, seen.losses['loss_bbox'])
            objectness = flat_rows(head(seen.student.features)[2], dense.labels)
            product = head(seen.student.features)[0]
            torch.testing.assert_close(
                scores.sigmoid(), flat_rows(product, dense.labels).sigmoid() * objectness.sigmoid()
            )
            expected = head.loss_obj(objectness, positive[:, None].float()) / dense.avg_factor
            torch.testing.assert_close(expected, seen.losses['loss_obj'])
            return
        else:
            return
        own = seen.losses['loss_cls']
        own = torch.stack(own).sum() if isinstance(own, list) else own
        torch.testing.assert_close(expected, own)


def positive_boxes(model, seen, positive):
    """Student's and target's boxes, xyxy pixels, of the rows with one."""
    dense = seen.student.dense
    info = describe(model.student, 'student').dense
    images = len(dense.labels[0])
    priors = torch.cat([level.repeat(images, 1) for level in dense.priors])
    target = torch.cat([level.reshape(-1, 4) for level in dense.bbox_targets])
    numbers = flat_rows(dense.bbox_pred, dense.labels)
    if info.boxes == 'deltas':
        own = seen.student.dense_bbox_coder.decode(priors, numbers)
    else:
        strides = torch.cat([
            torch.full((level.numel(), 1), float(stride))
            for level, stride in zip(dense.labels, info.strides, strict=True)
        ])  # fmt: skip
        sides = numbers * strides
        own = torch.cat([priors - sides[:, :2], priors + sides[:, 2:]], dim=1)
    return own[positive], target[positive]


def test_boxes_of_tood_are_those_that_it_says(reader, tmp_path):
    model, _, seen = observed(tmp_path, tiny_tood_cfg)
    said = seen.student.outputs[1]
    labels = torch.cat([level.flatten() for level in seen.student.dense.labels])
    own, _ = positive_boxes(model, seen, torch.ones_like(labels, dtype=torch.bool))
    strides = (8, 16, 32, 64, 128)
    boxes = [level * stride for level, stride in zip(said, strides, strict=True)]
    torch.testing.assert_close(own, flat_rows(boxes, seen.student.dense.labels))


def test_distances_of_fcos_are_in_strides(reader, tmp_path):
    _, _, seen = observed(tmp_path, tiny_fcos_cfg)
    dense, strides = seen.student.dense, (8, 16, 32, 64, 128)
    for own, said, stride in zip(dense.bbox_pred, seen.student.outputs[1], strides, strict=True):
        torch.testing.assert_close(own * stride, said)
    levels = zip(dense.priors, dense.labels, dense.bbox_targets, strides, strict=True)
    for points, labels, targets, stride in levels:
        image, place = (labels < 3).nonzero(as_tuple=True)
        sides = targets[image, place] * stride
        boxes = torch.cat([points[place] - sides[:, :2], points[place] + sides[:, 2:]], dim=1)
        for box, b in zip(boxes, image, strict=True):
            assert (seen.batch.gt_bboxes[b] - box).abs().amax(dim=1).min() < 1e-3


def test_boxes_of_a_teacher_that_norms_them_are_in_the_units_of_training(tmp_path):
    model, data, seen = observed(tmp_path, fcos_on_box)
    head = model.teacher.model.bbox_head
    features = seen.teachers['teacher'].features
    head.training = True  # the head alone: its batch norms stay in eval mode
    with torch.no_grad():
        expected = head(features)[1]
    head.training = False
    for level, own in zip(seen.teachers['teacher'].dense.bbox_pred, expected, strict=True):
        torch.testing.assert_close(level, own)


@pytest.mark.parametrize('change, message', [
    ('classes', 'num_classes is 3 for the student and 4 for the teacher'),
    ('anchors', r'bbox_head.anchor_generator differs: base anchors'),
    ('points', r'bbox_head.anchor_generator differs: offset 0 for the student, 0.5 for'),
    ('bins', r'bbox_head differs: \(boxes, sigmoid, reg_max\)'),
])  # fmt: skip
def test_heads_that_cannot_be_compared_are_refused(tmp_path, change, message):
    teacher = tiny_gfl_cfg(base_channels=16, num_classes=4 if change == 'classes' else 3)
    if change == 'anchors':
        teacher.bbox_head.anchor_generator.octave_base_scale = 8
    if change == 'bins':
        teacher.bbox_head.reg_max = 15
    student = tiny_gfl_cfg
    if change == 'points':
        student, teacher = tiny_rtmdet_cfg, tiny_fcos_cfg()
    with pytest.raises(ValueError, match=message):
        observed(tmp_path, student, teacher=teacher)


def test_a_two_stage_detector_does_not_offer_it(tmp_path):
    assert 'dense' not in offered_fields(build_plain(tiny_faster_rcnn_cfg()))
