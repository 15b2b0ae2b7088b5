"""On unlabelled images the teacher's detections stand for ground truth."""

import copy

import pytest
import torch
from mmdet.structures import DetDataSample

from mmkd.observation import total_loss
from mmkd.registry import MODELS
from mmkd.testing import (
    demo_batch,
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.distill import build_distill, build_plain, distill_cfg

# Untrained, the teacher gives each of three classes and background about a quarter.
SETTING = dict(score_thr=0.25, task_weight=0.5)
MARKS = (False, True, False, True)


def batch_for(model, marks=MARKS, **kw):
    """Preprocessed images of which the marked ones have no label."""
    sizes = [(64, 96), (96, 64)] * 2
    data = demo_batch(sizes[: len(marks)], [2] * len(marks), **kw)
    for sample, mark in zip(data['data_samples'], marks, strict=True):
        sample.set_metainfo(dict(unlabelled=mark))
        if mark:
            sample.gt_instances = sample.gt_instances[:0]
    data = model.data_preprocessor(data, True)
    return data['inputs'], data['data_samples']


def own_predictions(model, inputs, samples, rows):
    """What the teacher alone detects on the images of these rows."""
    blank = [DetDataSample(metainfo=samples[row].metainfo) for row in rows]
    with torch.no_grad():
        pixels = model.pairs['teacher'].pixels(inputs[rows], [one.metainfo for one in blank])
        found = model.teacher.answering.predict(pixels, blank, rescale=False)
    return [sample.pred_instances for sample in found]


def same_draws(call):
    torch.manual_seed(5)
    return call()


class TestLabels:
    @pytest.mark.parametrize('teacher', [
        None,
        tiny_faster_rcnn_cfg(base_channels=16, data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', mean=[0] * 3, std=[255] * 3, pad_size_divisor=32)),
    ], ids=['same pixels', 'other normalisation'])  # fmt: skip
    def test_they_are_the_teachers_own_predictions_on_these_pixels(self, tmp_path, teacher):
        model = build_distill(tmp_path, teacher=teacher, unlabelled=SETTING)
        inputs, samples = batch_for(model)
        predictions = own_predictions(model, inputs, samples, [1, 3])
        model.unlabelled.score_thr = thr = predictions[0].scores.median()
        batch = model.observe(inputs, samples).batch
        for row, found in zip((1, 3), predictions, strict=True):
            confident = found[found.scores >= thr]
            assert 0 < len(confident) < len(found)
            assert torch.equal(batch.gt_bboxes[row], confident.bboxes)
            assert torch.equal(batch.gt_labels[row], confident.labels)
        for row in (0, 2):
            assert torch.equal(batch.gt_bboxes[row], samples[row].gt_instances.bboxes)
        assert not len(samples[1].gt_instances)  # the batch itself stays as it was

    def test_boxes_below_a_pixel_are_left_out(self, tmp_path, monkeypatch):
        model = build_distill(tmp_path, unlabelled=SETTING)
        inputs, samples = batch_for(model)
        predict = model.teacher.answering.predict

        def thin(*args, **kw):
            found = predict(*args, **kw)
            for sample in found:
                sample.pred_instances.bboxes[0, 2] = sample.pred_instances.bboxes[0, 0] + 0.5
            return found

        whole = model.observe(inputs, samples).batch
        monkeypatch.setattr(model.teacher.answering, 'predict', thin)
        less = model.observe(inputs, samples).batch
        assert torch.equal(less.gt_bboxes[1], whole.gt_bboxes[1][1:])

    def test_a_student_at_half_size_gets_them_in_its_own_pixels(self, tmp_path):
        model = build_distill(tmp_path, student_scale=0.5, unlabelled=SETTING)
        inputs, samples = batch_for(model)
        (found,) = own_predictions(model, inputs, samples, [1])
        # One image alone and in a batch differ in their last bits.
        expected = found[found.scores >= 0.25].bboxes / 2
        torch.testing.assert_close(model.observe(inputs, samples).batch.gt_bboxes[1], expected)

    def test_of_several_teachers_the_named_one_labels(self, tmp_path):
        cfg = distill_cfg(tmp_path, methods=[dict(type='mmkd.FGFI', teacher='a')])
        other = tiny_faster_rcnn_cfg(base_channels=12)
        checkpoint = tmp_path / 'other.pth'
        torch.save({'state_dict': build_plain(other).state_dict()}, checkpoint)
        cfg.teacher = dict(a=cfg.teacher, b=dict(config=other, checkpoint=str(checkpoint)))
        model = MODELS.build(copy.deepcopy(dict(cfg, unlabelled=dict(SETTING, teacher='b'))))
        assert model.unlabelled.pair is model.pairs['b']
        assert model.reads_classes('b') and not model.reads_classes('a')
        with pytest.raises(ValueError, match=r"unlabelled.teacher must be one of \['a', 'b'\]"):
            MODELS.build(dict(cfg, unlabelled=SETTING))


class TestTaskLosses:
    @pytest.mark.parametrize('weight', [0, 0.25, 1])
    def test_they_are_the_weighted_mean_of_all_images_and_the_labelled(self, tmp_path, weight):
        model = build_distill(tmp_path, unlabelled=dict(SETTING, task_weight=weight)).eval()
        inputs, samples = batch_for(model)
        labels = model.unlabelled.label(inputs, samples)

        def apart():
            whole = model.student.loss(inputs, labels)
            own = model.student.loss(inputs[[0, 2]], [samples[0], samples[2]])
            return weight * total_loss(whole) + (1 - weight) * total_loss(own)

        expected = same_draws(apart)
        got = same_draws(lambda: total_loss(model.observe(inputs, samples).losses))
        torch.testing.assert_close(got, expected)

    def test_methods_see_one_pass_over_all_images(self, tmp_path):
        model = build_distill(tmp_path, unlabelled=SETTING)
        inputs, samples = batch_for(model)
        seen = model.observe(inputs, samples, also=['features', 'roi_head'])
        assert len(seen.student.features[0]) == 4
        assert set(seen.student.roi_head.rois[:, 0].tolist()) == {0, 1, 2, 3}
        assert seen.student.losses is seen.losses

    @pytest.mark.parametrize('marks', [(True, True), (False, False)])
    @pytest.mark.parametrize('thr', [0.25, 1.0])
    def test_a_batch_of_one_kind_or_without_any_box_has_finite_losses(self, tmp_path, marks, thr):
        model = build_distill(tmp_path, unlabelled=dict(SETTING, score_thr=thr))
        inputs, samples = batch_for(model, marks)
        losses = model.loss(inputs, samples)
        loss = total_loss(losses)
        loss.backward()
        assert torch.isfinite(loss) and 'loss_fgfi' in losses
        if not any(marks):
            assert len(model.observe(inputs, samples).batch.gt_bboxes[0]) == 2

    def test_without_a_method_at_work_the_student_learns_from_them_too(self, tmp_path):
        methods = [dict(type='mmkd.FGFI', loss_weight=0)]
        model = build_distill(tmp_path, methods=methods, unlabelled=SETTING).eval()
        inputs, samples = batch_for(model)
        labels = model.unlabelled.label(inputs, samples)
        model.unlabelled.task_weight = 1
        expected = same_draws(lambda: total_loss(model.student.loss(inputs, labels)))
        assert same_draws(lambda: total_loss(model.loss(inputs, samples))) == expected

    @pytest.mark.parametrize('detector', [
        tiny_retinanet_cfg, tiny_fcos_cfg, tiny_c4_faster_rcnn_cfg
    ])  # fmt: skip
    def test_other_detectors_learn_from_them(self, tmp_path, detector):
        sides = dict(student=detector(), teacher=detector(base_channels=16))
        methods = [dict(type='mmkd.Hint')]
        setting = dict(SETTING, score_thr=0.005)
        model = build_distill(tmp_path, **sides, methods=methods, unlabelled=setting)
        losses = model.loss(*batch_for(model))
        assert torch.isfinite(total_loss(losses))


class TestRefusals:
    @pytest.mark.parametrize('setting, text', [
        (dict(score_thr=1.5), r'unlabelled.score_thr must lie in \[0, 1\], got 1.5'),
        (dict(task_weight=-1), r'unlabelled.task_weight must lie in \[0, 1\], got -1'),
        (dict(score=0.5), "PseudoLabels has no argument 'score'.*'score_thr'"),
        (dict(pairs={}), "has no argument 'pairs'"),
        (0.5, 'unlabelled must be a dict of arguments'),
        (dict(teacher='b'), r"unlabelled.teacher must be one of \['teacher'\], got 'b'"),
    ])  # fmt: skip
    def test_a_wrong_setting(self, tmp_path, setting, text):
        with pytest.raises(ValueError, match=text):
            build_distill(tmp_path, unlabelled=setting)

    def test_a_teacher_of_other_classes(self, tmp_path):
        teacher = tiny_faster_rcnn_cfg(base_channels=16)
        teacher.roi_head.bbox_head.num_classes = 5
        with pytest.raises(ValueError, match='knows 5 classes, the student 3 classes.*cannot be'):
            build_distill(tmp_path, teacher=teacher, unlabelled=SETTING)

    def test_a_specialist(self, tmp_path):
        cfg = distill_cfg(tmp_path, unlabelled=SETTING)
        cfg.teacher.classes = ['a', 'b', 'c']
        with pytest.raises(ValueError, match=r"knows \['a', 'b', 'c'\], the student 3 classes"):
            MODELS.build(cfg)

    def test_class_names_are_compared_though_no_method_reads_classes(self, tmp_path):
        model = build_distill(tmp_path, unlabelled=SETTING)
        model.teacher.classes = ('a', 'b', 'c')
        with pytest.raises(ValueError, match='the teacher'):
            model.check_classes(('b', 'a', 'c'))

    def test_a_backbone_alone(self, tmp_path):
        backbone = dict(tiny_faster_rcnn_cfg().backbone)
        cfg = distill_cfg(tmp_path, methods=[dict(type='mmkd.Hint')], unlabelled=SETTING)
        cfg.teacher = dict(type='mmkd.FeatureTeacher', backbone=backbone)
        with pytest.raises(ValueError, match='knows 0 classes'):
            MODELS.build(cfg)

    def test_unlabelled_images_without_the_setting(self, tmp_path):
        model = build_distill(tmp_path)
        with pytest.raises(ValueError, match=r'model.unlabelled=None.*set model.unlabelled=dict'):
            model.loss(*batch_for(model))

    def test_the_setting_without_batches_that_are_marked(self, tmp_path):
        model = build_distill(tmp_path, unlabelled=SETTING)
        data = model.data_preprocessor(demo_batch(), True)
        with pytest.raises(ValueError, match='WithUnlabelled.*UnlabelledSampler'):
            model.loss(
                **{'batch_inputs': data['inputs'], 'batch_data_samples': data['data_samples']}
            )

    def test_for_prediction_alone_it_is_no_matter(self, tmp_path):
        cfg = distill_cfg(tmp_path, unlabelled=SETTING)
        assert MODELS.build(dict(cfg, teacher=None)).unlabelled is None
