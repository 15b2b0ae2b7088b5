import pytest
import torch

from mmkd.heads import LevelRPNHead, RFCNNeck
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_rfcn_cfg
from mmkd.testing.distill import build_plain


class TestNeck:
    def test_the_fourth_stage_passes_and_the_fifth_is_reduced_and_rectified(self):
        neck = RFCNNeck([6, 12], divisor=256)
        fourth, fifth = torch.randn(2, 6, 4, 5), torch.randn(2, 12, 4, 5)
        first, last = neck((fourth, fifth))
        assert first is fourth and last.shape == (2, 4, 4, 5)
        torch.testing.assert_close(last, neck.reduce(fifth).clamp(min=0))

    def test_one_map_serves_both_heads(self):
        only = torch.randn(1, 6, 4, 5)
        first, last = RFCNNeck([6], divisor=64)((only,))
        assert first is only and last.shape[1] == 16

    @pytest.mark.parametrize('kwargs, message', [
        (dict(in_channels=[1, 2, 3]), r'one or two maps, got \[1, 2, 3\]'),
        (dict(in_channels=[4, 8], divisor=2048), r'divisor must lie in \[1, 1024\], got 2048'),
        (dict(in_channels=[4, 8], divisor='16'), r"divisor must .* got '16': write it w"),
    ])  # fmt: skip
    def test_settings_out_of_range_are_refused(self, kwargs, message):
        with pytest.raises(ValueError, match=message):
            RFCNNeck(**kwargs)

    @pytest.mark.parametrize('widths', [(5, 12), (6, 12, 12), (12,)])
    def test_maps_of_other_channels_are_refused(self, widths):
        maps = [torch.randn(1, width, 4, 5) for width in widths]
        with pytest.raises(ValueError, match=r'in_channels of RFCNNeck is \[6, 12\], but'):
            RFCNNeck([6, 12])(maps)


class TestLevelRPN:
    def test_a_map_that_does_not_exist_is_refused(self):
        head = build_plain(tiny_rfcn_cfg(rpn_head=dict(tiny_rfcn_cfg().rpn_head, level=2))).rpn_head
        with pytest.raises(ValueError, match='level=2, but there are 2 maps'):
            head([torch.randn(1, 32, 4, 6)] * 2)

    def test_it_reads_its_map_and_no_other(self):
        head = build_plain(tiny_rfcn_cfg()).rpn_head
        maps = torch.randn(1, 32, 4, 6), torch.full((1, 64, 4, 6), float('nan'))
        scores, deltas = head(maps)
        assert len(scores) == len(deltas) == 1 and scores[0].shape == (1, 9, 4, 6)
        assert scores[0].isfinite().all() and deltas[0].isfinite().all()

    def test_anchors_of_several_levels_are_refused(self):
        cfg = dict(type='mmdet.AnchorGenerator', scales=[8], ratios=[1.0], strides=[8, 16])
        with pytest.raises(ValueError, match='reads one map'):
            LevelRPNHead(in_channels=8, anchor_generator=cfg)


def test_extractor_and_head_with_other_bins_are_refused():
    cfg = tiny_rfcn_cfg()
    cfg.roi_head.bbox_roi_extractor.output_size = 7
    with pytest.raises(ValueError, match='output_size is 7 and bbox_head.roi_feat_size is 3'):
        build_plain(cfg)


def test_layers_that_nothing_would_run_on_an_roi_are_refused():
    cfg = tiny_rfcn_cfg()
    cfg.roi_head.shared_head = dict(type='mmdet.ResLayer', depth=18, stage=3)
    with pytest.raises(ValueError, match='shared_head has no place in an RFCNRoIHead'):
        build_plain(cfg)


@pytest.mark.parametrize('part, needed', [
    ('bbox_roi_extractor', 'PSRoIExtractor'), ('bbox_head', 'RFCNHead'),
])  # fmt: skip
def test_extractor_and_head_of_another_detector_are_refused(part, needed):
    cfg = tiny_rfcn_cfg()
    cfg.roi_head[part] = tiny_faster_rcnn_cfg().roi_head[part]
    with pytest.raises(ValueError, match=f'{part} of RFCNRoIHead must be mmkd.{needed}, got S'):
        build_plain(cfg)
