"""Fields of the second stage: embeddings, cascades, and a head that is lent."""

import pytest
import torch

from mmkd.detectors.describe import describe
from mmkd.fields import offered_fields
from mmkd.methods import DistillMethod
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_retinanet_cfg, tiny_rfcn_cfg
from mmkd.testing.batches import demo_batch
from mmkd.testing.detectors import tiny_cascade_rcnn_cfg
from mmkd.testing.distill import build_distill, build_plain


def reader_of(*fields):
    """A method that reads these fields of both and says nothing."""

    class Reader(DistillMethod):
        student_fields = teacher_fields = frozenset(fields)

        def forward(self, student, teacher, batch):
            return {'loss_reader': student.losses['loss_rpn_cls'][0] * 0}

    return dict(type=Reader)


def observed(folder, *fields, **kw):
    model = build_distill(folder, methods=[reader_of(*fields)], **kw)
    torch.manual_seed(0)
    data = model.data_preprocessor(demo_batch(), True)
    return model, model.observe(data['inputs'], data['data_samples'])


class TestEmbedding:
    def test_it_is_what_the_classifier_reads(self, tmp_path):
        model, seen = observed(tmp_path, 'roi_embedding', 'roi_head')
        sides = (seen.student, model.student), (seen.teachers['teacher'], model.teacher.model)
        for side, detector in sides:
            head = detector.roi_head.bbox_head
            assert side.roi_embedding.shape == (len(seen.student.roi_head.rois), 32)
            torch.testing.assert_close(head.fc_cls(side.roi_embedding), side.roi_head.cls_score)
            torch.testing.assert_close(head.fc_reg(side.roi_embedding), side.roi_head.bbox_pred)

    @pytest.mark.parametrize('order', [[0, 1], [1, 0]])
    def test_in_whichever_order_it_is_read(self, tmp_path, order):
        _, seen = observed(tmp_path, 'roi_embedding', 'roi_head')
        teacher = seen.teachers['teacher']
        for place in order:
            getattr(teacher, ('roi_head', 'roi_embedding')[place])
        pooled = teacher.roi_head.bbox_feats
        assert len(teacher.roi_embedding) == len(pooled) and not teacher.roi_embedding.requires_grad

    def test_gradient_reaches_the_students(self, tmp_path):
        _, seen = observed(tmp_path, 'roi_embedding')
        assert seen.student.roi_embedding.requires_grad

    def test_its_width_is_described(self):
        info = describe(build_plain(tiny_faster_rcnn_cfg()), 'student')
        assert info.roi_embedding.channels == 32

    @pytest.mark.parametrize('cfg', [tiny_rfcn_cfg, tiny_retinanet_cfg, tiny_cascade_rcnn_cfg])
    def test_other_detectors_do_not_offer_it(self, cfg):
        assert 'roi_embedding' not in offered_fields(build_plain(cfg()))

    def test_a_method_that_reads_it_is_refused_there(self, tmp_path):
        with pytest.raises(ValueError, match='reads embedding of RoIs, and RFCN, the student'):
            build_distill(
                tmp_path,
                methods=[reader_of('roi_embedding')],
                student=tiny_rfcn_cfg(),
                teacher=tiny_rfcn_cfg(base_channels=16),
            )


class TestCascade:
    def pair(self):
        cfgs = (tiny_cascade_rcnn_cfg(base_channels=channels) for channels in (8, 16))
        return dict(zip(('student', 'teacher'), cfgs, strict=True))

    def test_each_stage_is_answered_on_the_students_rois_of_that_stage(self, tmp_path):
        model, seen = observed(tmp_path, 'roi_stages', **self.pair())
        student, teacher = seen.student.roi_stages, seen.teachers['teacher'].roi_stages
        assert len(student) == len(teacher) == 2
        assert not torch.equal(student[0].rois, student[1].rois)
        for stage in range(2):
            assert teacher[stage].rois is student[stage].rois
            assert student[stage].targets is not None and teacher[stage].targets is None
            with torch.no_grad():
                features = seen.teachers['teacher'].features
                expected = model.teacher.model.roi_head._bbox_forward(
                    stage, features, student[stage].rois
                )
            torch.testing.assert_close(teacher[stage].cls_score, expected['cls_score'])
            loss = model.student.roi_head.bbox_head[stage].loss_cls(
                student[stage].cls_score, *student[stage].targets[:2]
            )
            weight = (1.0, 0.5)[stage]
            torch.testing.assert_close(
                loss * weight, seen.losses[f's{stage}.loss_cls'], rtol=1e-5, atol=1e-6
            )

    def test_feature_methods_run_on_it(self, tmp_path):
        model = build_distill(tmp_path, **self.pair())
        data = model.data_preprocessor(demo_batch(), True)
        assert model.loss(data['inputs'], data['data_samples'])['loss_fgfi'] > 0

    def test_it_has_no_single_roi_head(self, tmp_path):
        with pytest.raises(ValueError, match='reads .*RoI head.*, and CascadeRCNN, the student,'):
            build_distill(tmp_path, methods=[dict(type='mmkd.Chen2017')], **self.pair())

    def test_cascades_of_another_length_are_refused(self, tmp_path):
        teacher = tiny_cascade_rcnn_cfg(base_channels=16)
        head = teacher.roi_head
        head.update(num_stages=1, stage_loss_weights=[1.0], bbox_head=list(head.bbox_head[:1]))
        teacher.train_cfg.rcnn = teacher.train_cfg.rcnn[:1]
        with pytest.raises(ValueError, match='num_stages is 2 for the student and 1'):
            observed(tmp_path, 'roi_stages', student=tiny_cascade_rcnn_cfg(), teacher=teacher)


class TestALentHead:
    def test_it_gives_on_its_own_features_what_the_teacher_says(self, tmp_path):
        model, seen = observed(tmp_path, 'roi_head')
        teacher = seen.teachers['teacher']
        lent = teacher.apply('roi_head', teacher.roi_head.bbox_feats)
        torch.testing.assert_close(lent.cls_score, teacher.roi_head.cls_score)
        torch.testing.assert_close(lent.bbox_pred, teacher.roi_head.bbox_pred)

    def test_gradient_flows_to_the_features_alone(self, tmp_path):
        model, seen = observed(tmp_path, 'roi_head')
        before = {k: v.clone() for k, v in model.teacher.model.state_dict().items()}
        features = seen.student.roi_head.bbox_feats
        wide = torch.nn.functional.pad(features, (0, 0, 0, 0, 0, 8))  # 16 -> 24 channels
        lent = seen.teachers['teacher'].apply('roi_head', wide)
        lent.cls_score.square().sum().backward()
        student = model.student.backbone.conv1.weight.grad
        assert student is not None and student.abs().sum() > 0
        assert all(p.grad is None for p in model.teacher.model.parameters())
        assert all(torch.equal(v, before[k]) for k, v in model.teacher.model.state_dict().items())

    def test_what_is_not_lent_is_named(self, tmp_path):
        _, seen = observed(tmp_path, 'roi_head')
        with pytest.raises(AttributeError, match="'features' cannot be applied"):
            seen.teachers['teacher'].apply('features')
        with pytest.raises(AttributeError, match='cannot be applied'):
            seen.student.apply('roi_head')


def test_a_field_that_no_method_names_is_not_kept(tmp_path):
    _, seen = observed(tmp_path, 'roi_head')
    with pytest.raises(AttributeError, match='names the fields that it reads in student_fields'):
        _ = seen.student.proposals
