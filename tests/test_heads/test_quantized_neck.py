import copy

import pytest
import torch

from mmkd.heads import QuantizedNeck
from mmkd.losses.functional import quantize
from mmkd.testing import demo_batch, tiny_c4_faster_rcnn_cfg, tiny_faster_rcnn_cfg
from mmkd.testing.distill import build_plain


def quantized(cfg, **kwargs):
    cfg = copy.deepcopy(cfg)
    neck = cfg.get('neck')
    cfg['neck'] = dict(type='mmkd.QuantizedNeck', step=0.25, neck=neck, **kwargs)
    return cfg


@pytest.mark.parametrize('make', [tiny_faster_rcnn_cfg, tiny_c4_faster_rcnn_cfg])
def test_a_plain_checkpoint_loads_and_the_maps_are_its_own_quantized(make):
    plain, ours = build_plain(make()).eval(), build_plain(quantized(make())).eval()
    assert list(ours.state_dict()) == list(plain.state_dict())
    ours.load_state_dict(plain.state_dict(), strict=True)
    images = torch.randn(1, 3, 64, 96)
    signed = make is tiny_faster_rcnn_cfg
    for level, own in zip(ours.extract_feat(images), plain.extract_feat(images), strict=True):
        assert torch.equal(level, quantize(own, 0.25, signed))
        assert bool((level < 0).any()) is signed


def test_its_checkpoint_loads_into_the_plain_detector():
    plain, ours = (build_plain(cfg) for cfg in (
        tiny_faster_rcnn_cfg(), quantized(tiny_faster_rcnn_cfg())
    ))  # fmt: skip
    plain.load_state_dict(ours.state_dict(), strict=True)
    copied = copy.deepcopy(ours)
    copied.load_state_dict(ours.state_dict(), strict=True)


def test_the_checkpoint_loader_of_the_host_fills_it(tmp_path):
    from mmengine.runner import load_checkpoint

    plain = build_plain(tiny_faster_rcnn_cfg())
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'plain.pth')
    ours = build_plain(quantized(tiny_faster_rcnn_cfg()))
    load_checkpoint(ours, str(tmp_path / 'plain.pth'), strict=True)
    for key, value in plain.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value)


def test_it_trains_straight_through():
    model = build_plain(quantized(tiny_faster_rcnn_cfg())).eval()
    data = model.data_preprocessor(demo_batch(), True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert model.backbone.conv1.weight.grad.any()
    assert all(p.grad is not None for p in model.neck.parameters())


def test_a_step_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match='step must be > 0, got 0'):
        QuantizedNeck(0)
