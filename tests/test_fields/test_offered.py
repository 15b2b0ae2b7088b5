"""A field is offered by the detectors that can give it, and no other stands in the way."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from mmkd.detectors.describe import describe
from mmkd.fields import all_fields
from mmkd.fields.features import Features
from mmkd.methods import DistillMethod
from mmkd.testing.detectors import (
    tiny_cascade_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_retinanet_cfg,
)
from mmkd.testing.distill import build_distill, build_plain, loss_of


def offered(**parts):
    """Names of the fields that a detector of these parts offers."""
    detector = SimpleNamespace(backbone=nn.Identity(), with_neck=False, **parts)
    return {name for name, field in all_fields().items() if field.offered(detector)}


def rpn(kind, **settings):
    return MODELS.build(dict(type=f'mmdet.{kind}', **settings))


STAGE = dict(
    type='mmdet.StageCascadeRPNHead',
    in_channels=8,
    anchor_generator=dict(type='mmdet.AnchorGenerator', scales=[8], ratios=[1.0], strides=[4]),
    adapt_cfg=dict(type='dilation', dilation=3),
    bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder'),
    loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True),
    loss_bbox=dict(type='mmdet.IoULoss'),
)


@pytest.mark.parametrize('kind, settings', [
    ('EmbeddingRPNHead', dict(num_proposals=4, proposal_feature_channel=8)),
    ('CascadeRPNHead', dict(num_classes=1, num_stages=1, stages=[STAGE], train_cfg=[None],
                            test_cfg=dict())),
])  # fmt: skip
def test_proposals_that_no_single_network_makes_offer_features_alone(kind, settings):
    assert offered(rpn_head=rpn(kind, **settings)) == {'backbone', 'features'}


def test_points_in_place_of_anchors_are_no_region_proposal_network():
    head = rpn('FCOSHead', num_classes=1, in_channels=8, feat_channels=32)
    assert 'proposals' in offered(rpn_head=head) and 'rpn' not in offered(rpn_head=head)


def test_a_head_that_assigns_within_its_loss_has_no_targets_to_record():
    cfg = tiny_retinanet_cfg()
    assert 'dense' in offered(bbox_head=build_plain(cfg).bbox_head)
    del cfg.bbox_head.loss_cls
    cfg.bbox_head.type = 'mmdet.FreeAnchorRetinaHead'
    assert 'dense' not in offered(bbox_head=build_plain(cfg).bbox_head)


@pytest.mark.parametrize(
    'head',
    [
        dict(type='mmdet.MultiInstanceBBoxHead', num_instance=2),  # CrowdDet's, two objects a RoI
        dict(type='mmdet.DoubleConvFCBBoxHead', num_convs=1, num_fcs=1),  # reads features twice
        dict(type='mmdet.Shared2FCBBoxHead', with_reg=False),  # Grid R-CNN's
    ],
)
def test_a_head_without_one_class_and_deltas_of_each_roi_is_not_compared(head):
    roi_head = build_plain(tiny_faster_rcnn_cfg()).roi_head
    assert 'roi_head' in offered(roi_head=roi_head)
    roi_head.bbox_head = MODELS.build(head)
    assert 'roi_head' not in offered(roi_head=roi_head)


def test_stages_that_read_more_than_features_and_rois_are_no_plain_cascade():
    cfg = tiny_cascade_rcnn_cfg()
    assert 'roi_stages' in offered(roi_head=build_plain(cfg).roi_head)
    cfg.roi_head.type = 'mmdet.HybridTaskCascadeRoIHead'  # adds a semantic map to the features
    assert 'roi_stages' not in offered(roi_head=build_plain(cfg).roi_head)


def test_a_plain_detector_offers_them_all():
    detector = build_plain(tiny_faster_rcnn_cfg())
    found = offered(rpn_head=detector.rpn_head, roi_head=detector.roi_head)
    assert found == set(all_fields()) - {
        *('dense', 'dense_bbox_coder', 'queries', 'roi_stages', 'stage_bbox_coders')
    }


def reader(own, others):
    class Reader(DistillMethod):
        student_fields, teacher_fields = frozenset(own), frozenset(others)

        def forward(self, student, teacher, batch):
            values = [getattr(teacher, field) for field in sorted(self.teacher_fields)]
            return {'loss_reader': student.features[0].mean() * len(values)}

    return [dict(type=Reader)]


def test_a_teachers_field_that_answers_on_the_students_needs_them(tmp_path):
    student = tiny_retinanet_cfg()
    heads = ('roi_head', 'RoI head'), ('rpn', 'region proposal'), ('roi_embedding', 'RoI head')
    for field, need in heads:
        refused = f'reader reads {need}.* and RetinaNet, the student, has none of that kind'
        with pytest.raises(ValueError, match=refused):
            build_distill(tmp_path, student=student, methods=reader({'features'}, {field}))


def test_a_teachers_field_that_stands_alone_needs_no_like_of_the_student(tmp_path):
    methods = reader({'features'}, {'bbox_coder', 'proposals', 'outputs'})
    assert loss_of(build_distill(tmp_path, student=tiny_retinanet_cfg(), methods=methods))


def test_what_the_teacher_needs_of_the_student_is_kept(tmp_path):
    for field in ('roi_embedding', 'rpn', 'priors'):
        losses = loss_of(build_distill(tmp_path, methods=reader({'features'}, {field})))
        assert losses['loss_reader'].isfinite()


def test_a_value_that_the_teacher_reads_first_keeps_its_gradient(tmp_path, monkeypatch):
    def means(field, detector, seen):
        return [level.mean() for level in seen['features']]

    monkeypatch.setattr(Features, 'student', means)
    monkeypatch.setattr(Features, 'teacher', lambda self, seen, query: query.student.features)

    class Same(DistillMethod):
        def forward(self, student, teacher, batch):
            assert teacher.features is student.features
            return {'loss_same': torch.stack(student.features).sum()}

    model = build_distill(tmp_path, methods=[dict(type=Same)])
    assert loss_of(model)['loss_same'].requires_grad


def test_a_student_that_trains_on_several_maps_of_an_image_is_refused_by_name():
    detector = build_plain(tiny_retinanet_cfg())
    detector.backbone.num_branch = 3  # as TridentNet's
    with pytest.raises(ValueError, match='the student, RetinaNet, trains on 3 maps of each image'):
        describe(detector, 'student')
    assert describe(detector, 'teacher').channels
