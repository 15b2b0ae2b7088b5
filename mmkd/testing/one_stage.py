"""Model configs of one-stage detectors with one square anchor a cell; see ``detectors.py``."""

from mmengine.config import ConfigDict

from .detectors import _delta_coder, tiny_retinanet_cfg


def _one_anchor_cfg(kind: str, num_classes: int, base_channels: int, head: dict) -> ConfigDict:
    """A one-stage detector with one square anchor a cell and the ATSS assigner."""
    cfg = tiny_retinanet_cfg(num_classes, base_channels)
    common = {key: cfg.bbox_head[key] for key in ('num_classes', 'in_channels', 'feat_channels')}
    cfg.type = f'mmdet.{kind}'
    cfg.bbox_head = dict(
        type=f'mmdet.{kind}Head',
        stacked_convs=2,
        norm_cfg=dict(type='BN', requires_grad=True),
        anchor_generator=dict(
            type='mmdet.AnchorGenerator',
            ratios=[1.0],
            octave_base_scale=4,
            scales_per_octave=1,
            strides=[8, 16, 32, 64, 128],
        ),
        loss_bbox=dict(type='mmdet.GIoULoss', loss_weight=2.0),
        **common,
        **head,
    )
    cfg.train_cfg.assigner = dict(type='mmdet.ATSSAssigner', topk=9)
    return ConfigDict(cfg)


def tiny_atss_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """ATSS: five levels, strides 8 to 128, towers of two convolutions with batch norm."""
    focal = dict(type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0)
    head = dict(
        bbox_coder=_delta_coder((0.1, 0.1, 0.2, 0.2)),
        loss_cls=focal,
        loss_centerness=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    )
    return ConfigDict({**_one_anchor_cfg('ATSS', num_classes, base_channels, head), **kw})


def tiny_gfl_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """GFL: five levels, strides 8 to 128, eight bins a side of a box."""
    head = dict(
        reg_max=7,
        loss_cls=dict(type='mmdet.QualityFocalLoss', use_sigmoid=True, beta=2.0, loss_weight=1.0),
        loss_dfl=dict(type='mmdet.DistributionFocalLoss', loss_weight=0.25),
    )
    return ConfigDict({**_one_anchor_cfg('GFL', num_classes, base_channels, head), **kw})
