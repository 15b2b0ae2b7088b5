"""Model configs of one-stage detectors with one square anchor a cell; see ``detectors.py``."""

from mmengine.config import ConfigDict

from .detectors import host_model, tiny_retinanet_cfg


def _one_anchor_cfg(name: str, num_classes: int, base_channels: int) -> ConfigDict:
    """MMDetection's, on the backbone and neck of the tiny RetinaNet."""
    cfg = host_model(f'{name}/{name}_r50_fpn_1x_coco')
    plain = tiny_retinanet_cfg(num_classes, base_channels)
    for key in ('backbone', 'neck', 'test_cfg'):
        cfg[key] = plain[key]
    cfg.train_cfg.sampler = plain.train_cfg.sampler
    for key in ('num_classes', 'in_channels', 'feat_channels'):
        cfg.bbox_head[key] = plain.bbox_head[key]
    cfg.bbox_head.update(stacked_convs=2, norm_cfg=dict(type='BN', requires_grad=True))
    cfg.bbox_head.anchor_generator.octave_base_scale = 4
    return cfg


def tiny_atss_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """ATSS: five levels, strides 8 to 128, towers of two convolutions with batch norm."""
    return ConfigDict({**_one_anchor_cfg('atss', num_classes, base_channels), **kw})


def tiny_gfl_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """GFL: five levels, strides 8 to 128, eight bins a side of a box."""
    cfg = _one_anchor_cfg('gfl', num_classes, base_channels)
    cfg.bbox_head.reg_max = 7
    return ConfigDict({**cfg, **kw})
