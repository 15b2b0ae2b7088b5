"""Model configs of MMDetection detectors that build in well under a second.

They are MMDetection's own, on a ResNet-18 whose widths are ``base_channels`` times 1, 2, 4, 8; no
file is downloaded. Anchors suit images of 64 to 128 pixels. Every type carries its scope, so a
config builds from any registry. Keyword arguments replace entries of the result at the top level.
"""

from functools import cache
from pathlib import Path
from typing import Any

import mmdet
from mmengine.config import Config, ConfigDict

_OF_MMCV = ('BN', 'RoIAlign', 'Swish', 'nms')
_STRIDES = [8, 16, 32, 64, 128]


def host_model(name: str) -> ConfigDict:
    """The model of a config of MMDetection, whose types carry their scope."""
    return ConfigDict(_scoped(_read(name)))


@cache
def _read(name: str) -> dict:
    # mmengine.hub would read every metafile of the package first.
    configs = Path(mmdet.__file__).parent / '.mim' / 'configs'
    return Config.fromfile(configs / f'{name}.py').model.to_dict()


def _scoped(part: Any) -> Any:
    if isinstance(part, list):
        return [_scoped(one) for one in part]
    if not isinstance(part, dict):
        return part
    scoped = {key: _scoped(value) for key, value in part.items()}
    if 'type' in part and part['type'] not in _OF_MMCV:
        scoped['type'] = f'mmdet.{part["type"]}'
    return scoped


def _thin(name: str, base_channels: int, out_channels: int) -> ConfigDict:
    """A model with backbone and pyramid, whose head is left as it is."""
    cfg = host_model(f'_base_/models/{name}')
    cfg.backbone = _resnet(base_channels)
    channels = [base_channels * 2**i for i in range(4)]
    cfg.neck.update(in_channels=channels, out_channels=out_channels)
    return cfg


def _resnet(base_channels: int, stages: int = 4, out_indices: tuple = (0, 1, 2, 3)) -> dict:
    return dict(
        type='mmdet.ResNet',
        depth=18,
        base_channels=base_channels,
        num_stages=stages,
        strides=(1, 2, 2, 2)[:stages],
        dilations=(1, 1, 1, 1)[:stages],
        out_indices=out_indices,
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    )


def _delta_coder(stds: tuple) -> dict:
    return dict(
        type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=list(stds)
    )


def tiny_faster_rcnn_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """Faster R-CNN with FPN: five levels of ``out_channels``, strides 4 to 64, 3 anchors each."""
    cfg = _thin('faster-rcnn_r50_fpn', base_channels, out_channels)
    _set_channels(cfg, out_channels)
    cfg.rpn_head.anchor_generator.scales = [4]
    cfg.roi_head.bbox_head.update(fc_out_channels=32, num_classes=num_classes)
    for proposals in (cfg.train_cfg.rpn_proposal, cfg.test_cfg.rpn):
        proposals.update(nms_pre=128, max_per_img=64)
    cfg.train_cfg.rpn.sampler.num = 64
    cfg.train_cfg.rcnn.sampler.num = 32
    cfg.test_cfg.rcnn.max_per_img = 20
    return ConfigDict({**cfg, **kw})


def _set_channels(cfg: ConfigDict, channels: int) -> None:
    """Of both heads of a Faster R-CNN."""
    cfg.rpn_head.update(in_channels=channels, feat_channels=channels)
    cfg.roi_head.bbox_roi_extractor.out_channels = channels
    cfg.roi_head.bbox_head.in_channels = channels


def tiny_c4_faster_rcnn_cfg(
    num_classes: int = 3, base_channels: int = 8, **kw: object
) -> ConfigDict:
    """Faster R-CNN without a neck: one map of ``4 * base_channels`` at stride 16, 9 anchors."""
    cfg = tiny_faster_rcnn_cfg(num_classes)
    del cfg['neck']
    cfg.backbone = _resnet(base_channels, stages=3, out_indices=(2,))
    _set_channels(cfg, 4 * base_channels)
    cfg.rpn_head.anchor_generator.update(scales=[1, 2, 4], strides=[16])
    cfg.roi_head.bbox_roi_extractor.featmap_strides = [16]
    return ConfigDict({**cfg, **kw})


def tiny_retinanet_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """RetinaNet: five levels of ``out_channels``, strides 8 to 128, 9 anchors each."""
    cfg = _thin('retinanet_r50_fpn', base_channels, out_channels)
    cfg.bbox_head.update(num_classes=num_classes, stacked_convs=1)
    cfg.bbox_head.update(in_channels=out_channels, feat_channels=out_channels)
    cfg.bbox_head.anchor_generator.octave_base_scale = 2
    cfg.test_cfg.update(nms_pre=128, score_thr=0.001, max_per_img=20)
    return ConfigDict({**cfg, **kw})


def tiny_fcos_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """FCOS (anchor-free): five levels of ``out_channels``, strides 8 to 128, batch-norm heads."""
    cfg = tiny_retinanet_cfg(num_classes, base_channels, out_channels, type='mmdet.FCOS')
    del cfg['train_cfg']
    cfg.neck.update(add_extra_convs='on_output', relu_before_extra_convs=True)
    for key in ('anchor_generator', 'bbox_coder'):
        del cfg.bbox_head[key]
    cfg.bbox_head.update(
        type='mmdet.FCOSHead',
        strides=_STRIDES,
        regress_ranges=((-1, 16), (16, 32), (32, 64), (64, 128), (128, 1e8)),
        norm_cfg=dict(type='BN', requires_grad=True),
        loss_bbox=dict(type='mmdet.IoULoss', loss_weight=1.0),
        loss_centerness=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    )
    return ConfigDict({**cfg, **kw})


def tiny_ssd_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """SSD300: six levels, strides 8 to 300; its last map has no cell below 273 pixels."""
    channels = [2 * base_channels, 4 * base_channels] + [8] * 4
    cfg = host_model('_base_/models/ssd300')
    cfg.data_preprocessor = dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=1)
    cfg.backbone = _resnet(base_channels, stages=3, out_indices=(1, 2))
    cfg.neck.update(in_channels=channels[:2], out_channels=channels)
    cfg.bbox_head.update(in_channels=channels, num_classes=num_classes)
    cfg.train_cfg.assigner.gt_max_assign_all = True  # MMDetection's default
    cfg.test_cfg = tiny_retinanet_cfg().test_cfg
    return ConfigDict({**cfg, **kw})


def tiny_cascade_rcnn_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """Cascade R-CNN with FPN and two stages."""
    cfg = tiny_faster_rcnn_cfg(num_classes, base_channels)
    head = cfg.roi_head
    stages = [
        dict(head.bbox_head, reg_class_agnostic=True, bbox_coder=_delta_coder(stds))
        for stds in ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1))
    ]
    cfg.type = 'mmdet.CascadeRCNN'
    cfg.roi_head = dict(
        type='mmdet.CascadeRoIHead',
        num_stages=2,
        stage_loss_weights=[1.0, 0.5],
        bbox_roi_extractor=head.bbox_roi_extractor,
        bbox_head=stages,
    )
    thresholds = [
        dict.fromkeys(('pos_iou_thr', 'neg_iou_thr', 'min_pos_iou'), x) for x in (0.5, 0.6)
    ]
    rcnn = cfg.train_cfg.rcnn
    cfg.train_cfg.rcnn = [dict(rcnn, assigner=dict(rcnn.assigner, **own)) for own in thresholds]
    return ConfigDict({**cfg, **kw})
