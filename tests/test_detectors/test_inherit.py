"""``inherit``: parts of the student begin with the teacher's weights."""

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger

from mmkd.engine.checks.preflight import check_checkpoint_settings
from mmkd.registry import MODELS
from mmkd.testing import tiny_faster_rcnn_cfg
from mmkd.testing.distill import loss_of, save_teacher

PARTS = ('backbone', 'neck', 'rpn_head', 'roi_head')


def build(tmp_path, *, wide=True, teacher=None, classes=None, **settings):
    """A student under one of wider maps in its backbone alone, with weights on disk."""
    cfg = teacher or tiny_faster_rcnn_cfg(**dict(base_channels=16) if wide else {})
    file = tmp_path / 'teacher.pth'
    save_teacher(cfg, file, classes)
    torch.manual_seed(3)
    model = MODELS.build(
        dict(
            type='mmkd.DistillDetector',
            student=tiny_faster_rcnn_cfg(),
            teacher=dict(config=cfg, checkpoint=str(file)),
            **settings,
        )
    )
    model.init_weights()
    return model


def same(first, second, part):
    one, two = (getattr(model, part).state_dict() for model in (first, second))
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_true_takes_over_what_fits_and_the_rest_is_as_without(tmp_path, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        model = build(tmp_path, inherit=True)
    finally:
        logger.removeHandler(caplog.handler)
    alone = build(tmp_path)
    for part in ('rpn_head', 'roi_head'):
        assert same(model.student, model.teacher.model, part), part
        assert not same(alone.student, model.teacher.model, part), part
    for part in ('backbone', 'neck'):
        assert same(model.student, alone.student, part), part
    assert "teacher's weights: rpn_head, roi_head; with the student's own: backbone, neck" in (
        caplog.text
    )
    with torch.no_grad():
        next(model.student.rpn_head.parameters()).zero_()
    assert not same(model.student, model.teacher.model, 'rpn_head'), 'they share no tensor'


def test_named_parts_must_fit(tmp_path):
    model = build(tmp_path, wide=False, inherit=PARTS)
    assert all(same(model.student, model.teacher.model, part) for part in PARTS)
    with pytest.raises(ValueError, match=r'(?s)inherit: neck of the student .*lateral_convs'):
        build(tmp_path, inherit=['rpn_head', 'neck'])


@pytest.mark.parametrize(
    'setting, message',
    [
        (['rpn'], "no part 'rpn', it has .*'rpn_head'"),
        ([], 'inherit must be True or a list'),
        ('neck', "inherit must be True or a list .* got 'neck'"),
        (1, 'inherit must be True or a list .* got 1'),
        ({'neck': 1}, 'inherit must be True or a list'),
        (None, 'inherit must be True or a list'),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, setting, message):
    with pytest.raises(ValueError, match=message):
        build(tmp_path, inherit=setting)


def test_where_nothing_fits_it_is_refused(tmp_path):
    other = tiny_faster_rcnn_cfg(out_channels=24)
    with pytest.raises(ValueError, match='inherit: neck of the student cannot'):
        build(tmp_path, teacher=other, inherit=True)


def test_a_checkpoint_of_the_student_is_another_start(tmp_path):
    cfg = tiny_faster_rcnn_cfg()
    save_teacher(cfg, tmp_path / 'student.pth')
    student = dict(config=cfg, checkpoint=str(tmp_path / 'student.pth'))
    with pytest.raises(ValueError, match='both say what the student begins with'):
        MODELS.build(
            dict(
                type='mmkd.DistillDetector', student=student, teacher=dict(config=cfg), inherit=True
            )
        )


def test_rows_of_classes_need_one_class_list(tmp_path):
    methods, known = [dict(type='mmkd.FGFI')], ('a', 'b', 'c')
    heads = build(tmp_path, inherit=['roi_head'], methods=methods, classes=known)
    with pytest.raises(ValueError, match='another order'):
        heads.check_classes(known[::-1])
    build(tmp_path, inherit=['rpn_head'], methods=methods, classes=known).check_classes(known[::-1])


def test_a_head_of_other_anchors_is_left_out_and_refused_by_name(tmp_path):
    other = tiny_faster_rcnn_cfg()
    other['rpn_head']['anchor_generator']['scales'] = [7]
    assert build(tmp_path, teacher=other, inherit=True).inherits == ('neck', 'roi_head')
    with pytest.raises(ValueError, match=r'(?s)inherit: rpn_head .*anchor_generator differs'):
        build(tmp_path, teacher=other, inherit=['rpn_head'])


def test_other_pixels_for_an_inherited_backbone_are_warned_of(tmp_path, caplog):
    other = tiny_faster_rcnn_cfg()
    other['data_preprocessor']['mean'] = [1.0, 2.0, 3.0]
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        build(tmp_path, teacher=other, inherit=['backbone'])
    finally:
        logger.removeHandler(caplog.handler)
    assert 'inherit: the backbone begins with weights for pixels' in caplog.text


def test_of_several_teachers_it_is_refused():
    cfg = dict(config=tiny_faster_rcnn_cfg())
    model = dict(type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), inherit=True)
    with pytest.raises(ValueError, match=r"inherit=True takes one teacher, there are \['a', 'b'\]"):
        MODELS.build(dict(model, teacher=dict(a=cfg, b=cfg), methods=[]))


def test_load_from_is_another_start(tmp_path):
    cfg = Config(dict(model=dict(type='mmkd.DistillDetector', inherit=True), load_from='a.pth'))
    with pytest.raises(ValueError, match=r"load_from='a.pth' would overwrite .*inherit=True"):
        check_checkpoint_settings(cfg)


@pytest.mark.parametrize('weight', [0.0, 1.0])
def test_a_loss_checks_the_classes_of_what_was_inherited(tmp_path, weight, monkeypatch):
    methods = [dict(type='mmkd.FGFI', loss_weight=weight)]
    model = build(tmp_path, inherit=['roi_head'], methods=methods, classes=('a', 'b', 'c'))
    hub = dict(loop_stage='train', dataset_meta=dict(classes=('c', 'b', 'a')))
    monkeypatch.setattr(MessageHub, 'get_info', lambda _, key, default=None: hub.get(key, default))
    with pytest.raises(ValueError, match='another order'):
        loss_of(model)


def test_a_specialists_rows_are_not_those_of_the_data(tmp_path):
    teacher = dict(config=tiny_faster_rcnn_cfg(), checkpoint=None, classes=['c', 'b', 'a'])
    model = MODELS.build(
        dict(
            type='mmkd.DistillDetector',
            student=tiny_faster_rcnn_cfg(),
            teacher=teacher,
            methods=[dict(type='mmkd.FGFI')],
            inherit=['roi_head'],
        )
    )
    with pytest.raises(ValueError, match='a method or inherit compares classes one by one'):
        model.check_classes(('a', 'b', 'c'))


def test_a_detector_for_prediction_alone_ignores_it(tmp_path):
    model = MODELS.build(
        dict(
            type='mmkd.DistillDetector', student=tiny_faster_rcnn_cfg(), teacher=None, inherit=True
        )
    )
    assert model.inherits == ()
