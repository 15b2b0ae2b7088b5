"""What was written for earlier names runs as it is, with one warning for each that it uses."""

import warnings

import pytest

from mmkd.losses.functional import count_over_ranks
from mmkd.methods import (
    FGFI,
    BoundedRegression,
    Chen2017,
    DistillMethod,
    Hint,
    SoftClassification,
)
from mmkd.observation import DetectorInfo, HeadInfo, MapsInfo, total_loss
from mmkd.registry import MODELS
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.heads import head_scene, observe_heads
from mmkd.utils import warn_renamed


@pytest.fixture
def warned():
    """The warnings about names, as a function of what was warned so far."""
    warn_renamed.cache_clear()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        yield lambda: sorted(
            str(warning.message).removesuffix('; the old name goes in 0.2.')
            for warning in found
            if warning.category is FutureWarning and 'goes in 0.2' in str(warning.message)
        )
    warn_renamed.cache_clear()


STUDENT_FIELDS = 'student_reads of a method is now student_fields'
TEACHER_FIELDS = 'teacher_reads of a method is now teacher_fields'
ROI_HEAD = "the field 'rois' is now 'roi_head'"
ON = "on='rcn' is now on='roi_head'"


def logit_match():
    """The method that the documentation showed, in the names of 0.1."""

    class LogitMatch(DistillMethod):
        """Squared difference of RoI logits, on the RoIs that the student sampled."""

        student_reads = teacher_reads = frozenset({'rois'})

        def forward(self, student, teacher, batch):
            difference = student.rois.cls_score - teacher.rois.cls_score
            rows = count_over_ranks(difference.new_tensor(len(difference)))
            return {'loss_logit_match': self.loss_weight * difference.square().sum() / rows}

    return LogitMatch


@pytest.fixture
def registered():
    yield
    MODELS.module_dict.pop('LogitMatch', None)


def test_a_method_in_the_old_names_trains_with_one_warning_for_each(tmp_path, warned, registered):
    MODELS.register_module(module=logit_match(), force=True)  # README's has the name too
    model = build_distill(tmp_path, methods=[dict(type='mmkd.LogitMatch')])
    for _ in range(2):
        losses = loss_of(model)
        total_loss(losses).backward()
        seen = losses['loss_logit_match']
        assert seen > 0 and seen.isfinite()
    assert model.student.roi_head.bbox_head.fc_cls.weight.grad.any()
    assert warned() == sorted([STUDENT_FIELDS, TEACHER_FIELDS, ROI_HEAD])
    method = model.distill['logit_match']
    assert method.student_fields == method.teacher_fields == {'roi_head'}


def test_so_does_one_that_names_what_it_reads_when_it_is_made(tmp_path, warned):
    class Late(DistillMethod):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.student_reads = self.teacher_reads = frozenset({'rois'})

        def forward(self, student, teacher, batch):
            return {'loss_late': (student.rois.cls_score - teacher.rois.cls_score).abs().mean()}

    model = build_distill(tmp_path, methods=[dict(type=Late)])
    assert loss_of(model)['loss_late'] > 0
    method = model.distill['late']
    assert method.student_reads == method.teacher_fields == {'roi_head'}
    assert warned() == sorted([STUDENT_FIELDS, TEACHER_FIELDS, ROI_HEAD])


def test_the_same_method_in_todays_names_says_nothing(tmp_path, warned):
    class Match(DistillMethod):
        student_fields = teacher_fields = frozenset({'roi_head'})

        def forward(self, student, teacher, batch):
            difference = student.roi_head.cls_score - teacher.roi_head.cls_score
            return {'loss_match': difference.square().mean()}

    assert loss_of(build_distill(tmp_path, methods=[dict(type=Match)]))['loss_match'] > 0
    assert warned() == []


def test_a_subclass_of_one_in_the_old_names_needs_no_more(warned):
    class Child(logit_match()):
        pass

    class Other(logit_match()):
        student_fields = frozenset({'features'})

    assert Child().student_fields == Child().teacher_fields == {'roi_head'}
    assert Other().student_fields == {'features'} and Other().teacher_fields == {'roi_head'}


def test_the_fields_of_a_class_can_be_added_to(warned):
    class More(FGFI):
        student_reads = FGFI.student_reads | {'rois'}

    assert More.student_fields == {'features', 'roi_head'} == FGFI.student_fields | {'roi_head'}
    assert warned() == sorted([STUDENT_FIELDS, ROI_HEAD])


def test_a_method_that_defines_masks_has_them():
    def masks(self, student, teacher, batch):
        return [batch.gt_bboxes]

    kinds = [type('Masked', (base,), {'masks': masks}) for base in (DistillMethod, Hint)]
    assert all(kind().has_masks for kind in kinds)
    assert not DistillMethod().has_masks and not Hint().has_masks and FGFI().has_masks


@pytest.mark.parametrize('on', ['rcn', ['rcn'], ('rcn', 'rpn'), ('rpn', 'rcn')])
@pytest.mark.parametrize('kind', [SoftClassification, BoundedRegression, Chen2017])
def test_on_rcn_is_the_roi_head(warned, kind, on):
    today = 'roi_head' if on == 'rcn' else ['roi_head' if one == 'rcn' else one for one in on]
    old, new = kind(on=on), kind(on=today)
    assert old.student_fields == new.student_fields and 'roi_head' in old.student_fields
    assert warned() == [ON]


def test_on_rcn_gives_the_losses_under_the_same_keys(warned):
    seen = observe_heads(head_scene())
    old, new = (BoundedRegression(on=on)(*seen) for on in ('rcn', 'roi_head'))
    assert list(old) == list(new) == ['loss_bounded_reg_rcn']
    assert old['loss_bounded_reg_rcn'] == new['loss_bounded_reg_rcn'] > 0
    assert warned() == [ON]


def test_both_names_of_one_head_are_that_head_twice(warned):
    with pytest.raises(ValueError, match=r"on must name one or more of .*'rcn'"):
        SoftClassification(on=('rcn', 'roi_head'))


def test_the_field_of_an_observation(warned):
    student, *_ = observe_heads(head_scene())
    assert student.rois is student.roi_head and student.rois is student.roi_head
    assert warned() == [ROI_HEAD]


def test_layout_is_the_description_of_a_detector(warned):
    from mmkd.observation import Layout

    assert Layout is DetectorInfo
    assert warned() == ['mmkd.observation.Layout is now mmkd.observation.DetectorInfo']


INFO = DetectorInfo({
    'features': MapsInfo((16, 17), (4, 8), (False, True), 56.0),
    'backbone': MapsInfo((8, 9, 10), (4, 8, 16), (True,) * 3, 56.0),
    'rpn': HeadInfo(sigmoid=True, decoded=False),
    'roi_head': HeadInfo(sigmoid=False, decoded=True, channels=20, levels=3),
})  # fmt: skip


@pytest.mark.parametrize('old, new, value', [
    ('rectified', 'features.rectified', (False, True)),
    ('finest_scale', 'features.finest_scale', 56.0),
    ('backbone_channels', 'backbone.channels', (8, 9, 10)),
    ('backbone_strides', 'backbone.strides', (4, 8, 16)),
    ('roi_channels', 'roi_head.channels', 20),
    ('roi_levels', 'roi_head.levels', 3),
    ('sigmoid', 'rpn.sigmoid and roi_head.sigmoid', {'rpn'}),
    ('decoded', 'rpn.decoded and roi_head.decoded', {'rois'}),
])  # fmt: skip
def test_flat_names_of_the_description(warned, old, new, value):
    assert getattr(INFO, old) == getattr(INFO, old) == value
    assert warned() == [f'{old} of a detector is now {new}']


def test_names_that_stay_do_not_warn(warned):
    assert (INFO.channels, INFO.strides, INFO.num_classes) == ((16, 17), (4, 8), None)
    assert INFO.pairing is None and set(INFO.fields) == {'features', 'backbone', 'rpn', 'roi_head'}
    assert warned() == []


@pytest.mark.parametrize('old', ['roi_channels', 'roi_levels'])
def test_a_flat_name_of_a_head_that_is_not_there_is_none_as_it_was(warned, old):
    assert getattr(DetectorInfo({'features': INFO.features}), old) is None


def test_a_name_that_never_was_is_an_error(warned):
    with pytest.raises(AttributeError, match="no 'neck_channels', only .*'features'"):
        _ = INFO.neck_channels
    assert warned() == []
