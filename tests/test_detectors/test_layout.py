import copy

import pytest
import torch

from mmkd.detectors.layout import check_comparable, read_layout
from mmkd.detectors.spec import build_detector, resolve_spec
from mmkd.testing import tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg, tiny_retinanet_cfg
from mmkd.testing.distill import build_plain


@pytest.mark.parametrize('cfg, strides, channels, rectified', [
    (tiny_faster_rcnn_cfg(), (4, 8, 16, 32, 64), (16,) * 5, False),
    (tiny_retinanet_cfg(), (8, 16, 32, 64, 128), (16,) * 5, False),
    (tiny_c4_faster_rcnn_cfg(), (16,), (32,), True),
])  # fmt: skip
def test_one_dry_run_tells_levels_and_leaves_no_trace(cfg, strides, channels, rectified):
    model = build_plain(cfg).train()
    before = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    layout = read_layout(model, 'student')
    assert layout.strides == strides and layout.channels == channels
    assert set(layout.rectified) == {rectified}
    stages = (4, 8, 16, 32) if len(strides) > 1 else (16,)
    assert layout.backbone_strides == stages and layout.num_classes == 3
    assert layout.backbone_channels == ((8, 16, 32, 64) if len(strides) > 1 else (32,))
    assert 'priors' in layout.fields and model.training and model.backbone.layer1.training
    assert all(torch.equal(before[0][k], v) for k, v in model.state_dict().items())
    assert torch.equal(before[1], torch.get_rng_state())


def test_levels_listed_coarse_first_have_the_scale_of_the_finest():
    config = 'mmdet::yolo/yolov3_mobilenetv2_8xb24-ms-416-300e_coco.py'
    spec = resolve_spec(dict(config=config, cfg_options={'backbone.init_cfg': None}), 'student')
    layout = read_layout(build_detector(spec), 'student')
    assert layout.strides == (32, 16, 8) and layout.finest_scale == 14 * 8


def test_other_anchors_are_refused_only_where_they_are_compared():
    student, other = tiny_faster_rcnn_cfg(), tiny_faster_rcnn_cfg()
    other.rpn_head.anchor_generator.scales = [8]
    pair = build_plain(student), build_plain(other)
    check_comparable(*pair, frozenset({'features'}))
    with pytest.raises(ValueError, match='rpn_head.anchor_generator differs'):
        check_comparable(*pair, frozenset({'rpn'}))


@pytest.mark.parametrize('step', [0.25, 100.0])
def test_a_quantized_pyramid_is_signed_whatever_its_step_hides(step):
    cfg = tiny_faster_rcnn_cfg()
    cfg.neck = dict(type='mmkd.QuantizedNeck', step=step, neck=cfg.neck)
    assert not any(read_layout(build_plain(cfg), 'teacher').rectified)
