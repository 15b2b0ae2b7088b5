import copy

import pytest
import torch

from mmkd.detectors.describe import describe
from mmkd.detectors.detector_source import build_detector, resolve_spec
from mmkd.registry import MODELS
from mmkd.testing import (
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_retinanet_cfg,
    tiny_ssd_cfg,
)
from mmkd.testing.distill import build_distill, build_plain, loss_of


@pytest.mark.parametrize('cfg, strides, channels, rectified', [
    (tiny_faster_rcnn_cfg(), (4, 8, 16, 32, 64), (16,) * 5, False),
    (tiny_retinanet_cfg(), (8, 16, 32, 64, 128), (16,) * 5, False),
    (tiny_c4_faster_rcnn_cfg(), (16,), (32,), True),
])  # fmt: skip
def test_one_dry_run_tells_levels_and_leaves_no_trace(cfg, strides, channels, rectified):
    model = build_plain(cfg).train()
    before = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    info = describe(model, 'student')
    assert info.strides == strides and info.channels == channels
    assert set(info.features.rectified) == {rectified}
    stages = (4, 8, 16, 32) if len(strides) > 1 else (16,)
    assert info.backbone.strides == stages and info.num_classes == 3
    assert info.backbone.channels == ((8, 16, 32, 64) if len(strides) > 1 else (32,))
    assert 'priors' in info.fields and model.training and model.backbone.layer1.training
    assert all(torch.equal(before[0][k], v) for k, v in model.state_dict().items())
    assert torch.equal(before[1], torch.get_rng_state())


def test_levels_listed_coarse_first_have_the_scale_of_the_finest():
    config = 'mmdet::yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py'
    spec = resolve_spec(dict(config=config, cfg_options={'backbone.init_cfg': None}), 'student')
    info = describe(build_detector(spec), 'student')
    assert info.strides == (32, 16, 8) and info.features.finest_scale == 14 * 8


@pytest.mark.parametrize('step', [0.25, 100.0])
def test_a_quantized_pyramid_is_signed_whatever_its_step_hides(step):
    cfg = tiny_faster_rcnn_cfg()
    cfg.neck = dict(type='mmkd.QuantizedNeck', step=step, neck=cfg.neck)
    assert not any(describe(build_plain(cfg), 'teacher').features.rectified)


@MODELS.register_module()
class OneSizeBackbone(torch.nn.Module):
    """Reads images of one size, or of no less than it; names it where ``img_size`` is set."""

    def __init__(self, size, smallest=False, named=False):
        super().__init__()
        self.size, self.smallest = size, smallest
        self.conv = torch.nn.Conv2d(3, 4, 8, stride=8)
        if named:
            self.img_size = size

    def forward(self, images):
        sides = tuple(images.shape[-2:])
        if sides != self.size and not (self.smallest and min(sides) >= min(self.size)):
            raise AssertionError('wrong size')  # as timm says it
        return (self.conv(images),)


def detector_of_one_size(divisor=1, pad=None, **backbone):
    pad = [dict(type='mmdet.BatchFixedSizePad', size=pad)] if pad else None
    return dict(
        type='mmdet.SingleStageDetector',
        data_preprocessor=dict(
            type='mmdet.DetDataPreprocessor', pad_size_divisor=divisor, batch_augments=pad
        ),
        backbone=dict(type='mmkd.OneSizeBackbone', **backbone),
        bbox_head=tiny_retinanet_cfg().bbox_head,
    )


@pytest.mark.parametrize('cfg', [
    detector_of_one_size(size=(160, 320), named=True),
    detector_of_one_size(size=(384, 640), pad=(384, 640)),
    detector_of_one_size(size=(288, 288), divisor=96),
    detector_of_one_size(size=(512, 512)),
    detector_of_one_size(size=(700, 700), smallest=True),
])  # fmt: skip
def test_the_image_is_as_large_as_the_network_needs(cfg):
    assert describe(build_plain(cfg), 'student').strides == (8,)


def test_a_network_that_needs_another_size_is_told_it():
    model = build_plain(detector_of_one_size(size=(200, 400)))
    with pytest.raises(ValueError) as error:
        describe(model, 'teacher')
    assert 'teacher: the dry run failed on images of 256 x 256, 512 x 512, 1024 x 1024 pi' in str(
        error.value
    )
    assert '(wrong size): give the DistillDetector a dry_run_size' in str(error.value)
    assert describe(model, 'teacher', [200, 400]).strides == (8,)


@pytest.mark.parametrize('size', [0, -8, 2.5, '300', (300,), (300, 0), True])
def test_a_dry_run_size_that_is_not_one_is_refused(size):
    with pytest.raises(ValueError, match='dry_run_size must be a side in pixels or'):
        describe(build_plain(tiny_faster_rcnn_cfg()), 'student', size)


@pytest.mark.parametrize('method', ['FGFI', 'Hint'])
def test_ssd_as_student_and_teacher_takes_a_step(tmp_path, method):
    student, teacher = tiny_ssd_cfg(), tiny_ssd_cfg(base_channels=12)
    assert describe(build_plain(student), 'student').strides == (8, 16, 32, 64, 100, 300)
    methods = [dict(type=f'mmkd.{method}')]
    model = build_distill(tmp_path, student=student, teacher=teacher, methods=methods)
    loss, log = model.parse_losses(loss_of(model, sizes=((300, 300),), num_boxes=(2,)))
    loss.backward()
    assert loss.isfinite() and log[f'loss_{method.lower()}'] > 0
    assert any(p.grad.any() for p in model.distill.parameters())


def test_the_detector_passes_the_size_on_to_both(tmp_path):
    with pytest.raises(ValueError, match='dry_run_size must be'):
        build_distill(tmp_path, dry_run_size='300')
    both = detector_of_one_size(size=(200, 400))
    hint = [dict(type='mmkd.Hint')]
    build_distill(tmp_path, student=both, teacher=both, methods=hint, dry_run_size=(200, 400))
