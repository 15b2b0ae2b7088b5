"""Model config of an R-FCN that builds in well under a second."""

from mmengine.config import ConfigDict

from .detectors import tiny_faster_rcnn_cfg

STRIDE, BINS = 16, 3


def tiny_rfcn_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """R-FCN: maps of ``4 * base_channels`` and 64 at stride 16, 9 anchors, 3 x 3 bins.

    Keyword arguments replace entries at the top level.
    """
    cfg = tiny_faster_rcnn_cfg(num_classes, base_channels)
    cfg.type = 'mmkd.RFCN'
    cfg.backbone.update(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), out_indices=(2, 3))
    fourth, fifth = 4 * base_channels, 8 * base_channels
    reduced = 64
    cfg.neck = dict(type='mmkd.RFCNNeck', in_channels=[fourth, fifth], divisor=16)
    cfg.rpn_head.update(type='mmkd.LevelRPNHead', in_channels=fourth)
    cfg.rpn_head.anchor_generator.update(scales=[1, 2, 4], strides=[STRIDE])
    head = cfg.roi_head.bbox_head
    cfg.roi_head = dict(
        type='mmkd.RFCNRoIHead',
        bbox_roi_extractor=dict(
            type='mmkd.PSRoIExtractor', featmap_stride=STRIDE, output_size=BINS
        ),
        bbox_head=dict(
            type='mmkd.RFCNHead',
            in_channels=reduced,
            roi_feat_size=BINS,
            num_classes=num_classes,
            bbox_coder=head.bbox_coder,
            loss_cls=head.loss_cls,
            loss_bbox=head.loss_bbox,
        ),
    )
    return ConfigDict({**cfg, **kw})
