"""A teacher on large images, its student on small ones."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import PixelData
from torch.nn import functional

from mmkd.detectors.student_resize import StudentDownscaler
from mmkd.testing import demo_batch, tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_distill, build_plain
from mmkd.testing.observations import info_of

# Images that fill a multiple of 64, and one that is padded to it; the detectors ask for 32.
BATCH = dict(sizes=((64, 128), (128, 64), (90, 70)), num_boxes=(2, 3, 1))
OFF = dict(type='mmkd.Hint', loss_weight=0)


@pytest.fixture
def build(tmp_path):
    def call(*methods, make=tiny_faster_rcnn_cfg, **kwargs):
        return build_distill(
            tmp_path,
            student=make(),
            teacher=make(base_channels=12),
            methods=list(methods),
            **{'student_scale': 0.5, **kwargs},
        ).eval()

    return call


def data_of(model, training=True):
    return model.data_preprocessor(demo_batch(**BATCH), training)


def seen_by(model, data):
    """What the method of one teacher is handed."""
    return model.observe(data['inputs'], data['data_samples']).by('teacher')


def small_by_hand(data):
    """Images halved by interpolation, boxes and sizes by two."""
    data = copy.deepcopy(data)
    data['inputs'] = functional.interpolate(data['inputs'], scale_factor=0.5, mode='bilinear')
    for sample in data['data_samples']:
        for instances in (sample.gt_instances, sample.ignored_instances):
            instances.bboxes = instances.bboxes / 2
        sample.set_metainfo(dict(scale_factor=(0.5, 0.5)))
        for key in ('img_shape', 'pad_shape', 'batch_input_shape'):
            height, width = sample.get(key)
            sample.set_metainfo({key: ((height + 1) // 2, (width + 1) // 2)})
    return data


def test_the_students_losses_are_those_of_plain_training_on_the_small_images(build):
    model, plain = build(OFF), build_plain(tiny_faster_rcnn_cfg()).eval()
    plain.load_state_dict(model.student.state_dict())
    data = data_of(model)
    torch.manual_seed(0)
    ours = model(**data, mode='loss')
    torch.manual_seed(0)
    theirs = plain(**small_by_hand(data), mode='loss')
    torch.testing.assert_close(ours, theirs)
    assert ours['loss_bbox'] > 0


@pytest.mark.parametrize('rescale', [True, False])
def test_predictions_are_those_of_the_plain_student_on_the_small_images(build, rescale):
    model, plain = build(OFF), build_plain(tiny_faster_rcnn_cfg()).eval()
    plain.load_state_dict(model.student.state_dict())
    data = data_of(model, False)
    by_hand = small_by_hand(data)
    samples = data['data_samples']
    with torch.no_grad():
        ours = model.predict(data['inputs'], samples, rescale=rescale)
        theirs = plain.predict(by_hand['inputs'], by_hand['data_samples'], rescale=rescale)
    assert ours is samples and ours[0].img_shape == (64, 128)
    for mine, other in zip(ours, theirs, strict=True):
        factor = 1 if rescale else 2  # unscaled boxes are in pixels of the images given
        assert len(mine.pred_instances) > 0
        torch.testing.assert_close(mine.pred_instances.bboxes, other.pred_instances.bboxes * factor)


def test_the_batch_that_was_loaded_stays_as_it_is(build):
    model = build(dict(type='mmkd.Hint'))
    data = data_of(model)
    before = copy.deepcopy(data)
    model(**data, mode='loss')
    assert torch.equal(data['inputs'], before['inputs'])
    for sample, old in zip(data['data_samples'], before['data_samples'], strict=True):
        assert torch.equal(sample.gt_instances.bboxes, old.gt_instances.bboxes)
        assert sample.metainfo == old.metainfo


def test_the_teacher_sees_the_large_images_and_the_rois_on_them(build):
    model = build(dict(type='mmkd.SoftClassification', on='roi_head'))
    seen = {}
    teacher = model.teacher.model
    teacher.backbone.register_forward_hook(lambda m, args, out: seen.update(images=args[0]))
    extractor = teacher.roi_head.bbox_roi_extractor
    extractor.register_forward_hook(lambda m, args, out: seen.update(rois=args[1]))
    data = data_of(model)
    student, on_large, batch = seen_by(model, data)
    assert len(on_large.roi_head.cls_score) == len(student.roi_head.rois)
    assert torch.equal(seen['images'], data['inputs'])
    assert torch.equal(seen['rois'][:, 1:], 2 * student.roi_head.rois[:, 1:])
    assert torch.equal(seen['rois'][:, 0], student.roi_head.rois[:, 0])
    large = data['data_samples'][0].gt_instances.bboxes
    torch.testing.assert_close(batch.gt_bboxes[0], large / 2)


def test_levels_pair_by_the_pixels_that_they_cover(build):
    hint = build(dict(type='mmkd.Hint')).distill['hint']
    assert hint.pairs == [(0, 1), (1, 2), (2, 3), (3, 4)]
    upsampled = build(dict(type='mmkd.Hint'), pairing='upsample').distill['hint']
    assert upsampled.pairs == [(i, i) for i in range(5)]


def test_shifted_levels_need_no_resampling(build):
    model = build(dict(type='mmkd.Hint'))
    data = data_of(model)
    student, teacher, _ = seen_by(model, data)
    for i, j in model.distill['hint'].pairs:
        assert student.features[i].shape[-2:] == teacher.features[j].shape[-2:]


def test_fgfi_imitates_the_cells_that_it_would_on_small_images_alone(build):
    levels = [[i, i] for i in range(4)]
    two, one = build(dict(type='mmkd.FGFI')), build(
        dict(type='mmkd.FGFI', levels=levels), student_scale=1.0
    )  # fmt: skip
    data = data_of(two)
    small = small_by_hand(data)
    seen, alone = seen_by(two, data), seen_by(one, small)
    masks = two.distill['fgfi'].masks(*seen), one.distill['fgfi'].masks(*alone)
    assert any(mask.any() for mask in masks[0])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*masks, strict=True))


@pytest.mark.parametrize('scale, side', [(0.5, 64), (0.25, 128)])
def test_images_are_padded_so_that_the_small_ones_are_as_alone(build, scale, side):
    inputs = data_of(build(OFF, student_scale=scale))['inputs']
    assert not any(size % side for size in inputs.shape[-2:])


@pytest.mark.parametrize('scale', [0.5, 0.25])
@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
def test_every_method_trains(build, make, scale):
    methods = [dict(type='mmkd.FGFI'), dict(type='mmkd.Chen2017', on='roi_head')]
    model = build(*methods, make=make, pairing='upsample', student_scale=scale)
    loss, log = model.parse_losses(model(**data_of(model), mode='loss'))
    loss.backward()
    ours = {key: value for key, value in log.items() if 'fgfi' in key or 'chen' in key}
    assert len(ours) == 5 and loss.isfinite() and log['loss_chen2017_hint'] > 0
    assert log['loss_chen2017_soft_rcn'] > 0 and log['fgfi_cells'] > 0


@pytest.mark.parametrize('kwargs, message', [
    (dict(methods=[dict(type='mmkd.SoftClassification')]),
     r"anchor_generator differs: .*in the student's pixels; leave the RPN out with on='roi_head'"),
    (dict(methods=[OFF], student_scale=0.7), 'student_scale must be 1, 0.5 or 0.25, got 0.7'),
    (dict(methods=[OFF], pairing='same'), "pairing must be one of .*got 'same'"),
    (dict(methods=[OFF], make=tiny_c4_faster_rcnn_cfg), "pairing='shift' finds no level"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(build, kwargs, message):
    methods = kwargs.pop('methods')
    with pytest.raises(ValueError, match=message):
        build(*methods, **kwargs)


def test_boxes_with_a_type_and_masks_are_scaled_and_segmentation_is_refused():
    (sample, *_) = demo_batch(**BATCH)['data_samples']
    large = sample.gt_instances.bboxes.tensor.clone()
    sample.gt_instances.masks = BitmapMasks(np.ones((2, 64, 128), np.uint8), 64, 128)
    (small,) = StudentDownscaler(0.5).samples([sample])
    torch.testing.assert_close(small.gt_instances.bboxes.tensor, large / 2)
    assert torch.equal(sample.gt_instances.bboxes.tensor, large)
    assert small.gt_instances.masks.masks.shape == (2, 32, 64) and small.img_shape == (32, 64)
    sample.gt_sem_seg = PixelData()
    with pytest.raises(ValueError, match='not gt_sem_seg'):
        StudentDownscaler(0.5).samples([sample])


def test_a_preprocessor_that_does_not_pad_is_refused():
    with pytest.raises(ValueError, match='needs a data_preprocessor that pads.* got Identity'):
        StudentDownscaler(0.5).fit_padding(torch.nn.Identity(), None)


def test_a_teachers_map_that_is_finer_than_the_students_pixels_is_refused():
    maps = [torch.zeros(1, 4, 8, 8)] * 2
    assert StudentDownscaler(0.5).describe(info_of(maps, (2, 4)), 'shift').strides == (1, 2)
    with pytest.raises(ValueError, match=r'strides \[2, 4\], finer than .* Leave .* stride 4 out'):
        StudentDownscaler(0.25).describe(info_of(maps, (2, 4)), 'upsample')
