"""Heads that cannot be compared are refused when the detectors are joined."""

import logging

import pytest
from mmengine.logging import MMLogger

from mmkd.detectors.describe import describe
from mmkd.fields import all_fields, offered_fields
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_fcos_cfg
from mmkd.testing.distill import build_distill, build_plain

EVERYTHING = frozenset({'rpn', 'roi_head', 'rpn_bbox_coder', 'bbox_coder'})


def detector(**changes):
    """A tiny Faster R-CNN; a change is named by its dotted place, dots as double underscores."""
    cfg = tiny_faster_rcnn_cfg()
    for place, value in changes.items():
        *parents, last = place.split('__')
        part = cfg
        for parent in parents:
            part = part[parent]
        part[last] = value
    return build_plain(cfg)


def check_heads(student, teacher, reads):
    """What joining the two does for the fields that methods read."""
    fields = all_fields()
    for name in sorted(reads):
        fields[name].check(student, teacher, 1)


BOX_HEAD = 'roi_head__bbox_head__'
TBLR = dict(type='mmdet.TBLRBBoxCoder')


@pytest.mark.parametrize('changes, field, message', [
    ({'rpn_head__anchor_generator__scales': [8]}, 'rpn',
     r'rpn_head.anchor_generator differs: base anchors .* for the student, .* for the teacher'),
    ({'rpn_head__anchor_generator__ratios': [1.0, 0.5, 2.0]}, 'rpn',
     'anchor_generator differs: base'),
    ({'rpn_head__loss_cls__use_sigmoid': False}, 'rpn',
     'rpn_head.loss_cls differs: sigmoid for the student, softmax for the teacher'),
    ({BOX_HEAD + 'loss_cls__use_sigmoid': True}, 'roi_head',
     'roi_head.bbox_head.loss_cls differs: softmax for the student, sigmoid for the teacher'),
    ({'rpn_head__bbox_coder': TBLR}, 'rpn_bbox_coder',
     'rpn_head.bbox_coder differs: DeltaXYWHBBoxCoder for the student, TBLRBBoxCoder for'),
    ({BOX_HEAD + 'bbox_coder': TBLR}, 'bbox_coder',
     'roi_head.bbox_head.bbox_coder differs: DeltaXYWH'),
])  # fmt: skip
def test_what_differs_is_named_and_only_where_it_is_read(changes, field, message):
    student, teacher = detector(), detector(**changes)
    others = set(offered_fields(student)) - {field}
    assert EVERYTHING - {field} < others
    check_heads(student, teacher, others)
    with pytest.raises(ValueError, match=message):
        check_heads(student, teacher, {field})


def test_anchors_of_other_strides_with_the_same_shapes_are_refused():
    # Sizes typed by hand, so that the shapes do not follow the strides.
    sizes = dict(type='mmdet.AnchorGenerator', ratios=[1.0], scales=[4], base_sizes=[8] * 5)
    student, teacher = (
        detector(rpn_head__anchor_generator=dict(sizes, strides=strides))
        for strides in ([4, 8, 16, 32, 64], [8, 8, 16, 32, 64])
    )
    with pytest.raises(ValueError, match='strides .*4, 4.* for the student, .*8, 8.* for the teac'):
        check_heads(student, teacher, EVERYTHING)


def test_columns_that_are_not_classes_are_refused():
    seesaw = detector(**{BOX_HEAD + 'loss_cls': dict(type='mmdet.SeesawLoss', num_classes=3)})
    with pytest.raises(ValueError, match='loss_cls of the teacher is SeesawLoss'):
        check_heads(detector(), seesaw, EVERYTHING)


def test_other_stds_are_announced_and_reconciled(caplog):
    coder = tiny_faster_rcnn_cfg().roi_head.bbox_head.bbox_coder
    other = detector(**{BOX_HEAD + 'bbox_coder': dict(coder, target_stds=[0.2, 0.2, 0.4, 0.4])})
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING):
            check_heads(detector(), other, EVERYTHING)
    finally:
        logger.removeHandler(caplog.handler)
    assert 'target_stds differs: (0.1, 0.1, 0.2, 0.2) for the student, (0.2, ' in caplog.text


DELTA = dict(
    type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[0.1, 0.1, 0.2, 0.2]
)


@pytest.mark.parametrize('coder, other, message', [
    (TBLR, dict(TBLR, normalizer=2.0),
     r'bbox_coder.normalizer differs: 4.0 for the student, 2.0 for the teacher.*TBLRBBoxCoder'),
    (dict(TBLR, normalizer=[4.0] * 4), dict(TBLR, normalizer=[4.0, 4, 4, 2]), 'normalizer differs'),
    (DELTA, dict(DELTA, type='mmdet.LegacyDeltaXYWHBBoxCoder'), 'bbox_coder differs: DeltaXYWH'),
])  # fmt: skip
@pytest.mark.parametrize('head', ['rpn_head__', BOX_HEAD])
def test_coders_that_no_formula_converts_are_refused(head, coder, other, message):
    student, teacher = (detector(**{head + 'bbox_coder': one}) for one in (coder, other))
    with pytest.raises(ValueError, match=message):
        check_heads(student, teacher, EVERYTHING)


@pytest.mark.parametrize('changes', [
    dict(clip_border=False), dict(add_ctr_clamp=True, ctr_clamp=8), dict(use_box_type=True),
    dict(target_means=(0, 0, 0, 0)),
])  # fmt: skip
def test_settings_that_act_on_decoded_boxes_may_differ(changes):
    student, teacher = (
        detector(**{BOX_HEAD + 'bbox_coder': coder}) for coder in (DELTA, dict(DELTA, **changes))
    )
    check_heads(student, teacher, EVERYTHING)


def test_kinds_of_heads():
    plain = describe(detector(), 'student')
    assert plain.rpn.sigmoid and not plain.roi_head.sigmoid
    assert not plain.rpn.decoded and not plain.roi_head.decoded
    decoded = describe(detector(**{BOX_HEAD + 'reg_decoded_bbox': True}), 'student')
    assert decoded.roi_head.decoded and not decoded.rpn.decoded


def test_a_detector_without_the_heads_is_refused_by_name(tmp_path):
    lacking = r'RoI head and region proposal network, and FCOS, the student, has none .*on=\[.dense'
    with pytest.raises(ValueError, match=f'soft_cls reads {lacking}'):
        build_distill(
            tmp_path,
            student=tiny_fcos_cfg(),
            teacher=tiny_fcos_cfg(),
            methods=[dict(type='mmkd.SoftClassification')],
        )
