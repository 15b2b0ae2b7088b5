"""Model configs of one-stage detectors with one prior a cell; see ``detectors.py``."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from mmengine.config import ConfigDict

from .detectors import _STRIDES, host_model, tiny_retinanet_cfg


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


def tiny_paa_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """PAA, whose head needs scikit-learn, or :data:`MIXTURES` in its place."""
    return ConfigDict({**_one_anchor_cfg('paa', num_classes, base_channels), **kw})


def tiny_tood_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """TOOD, whose head asks a runner for the epoch."""
    return ConfigDict({**_one_anchor_cfg('tood', num_classes, base_channels), **kw})


def _points_cfg(
    kind: str, num_classes: int, base_channels: int, head: dict, assigner: dict
) -> ConfigDict:
    """A head on points, on the backbone and neck of the tiny RetinaNet."""
    cfg = tiny_retinanet_cfg(num_classes, base_channels, type=kind)
    sizes = {key: cfg.bbox_head[key] for key in ('num_classes', 'in_channels', 'feat_channels')}
    cfg.bbox_head = {**head, **sizes, 'norm_cfg': dict(type='BN'), 'stacked_convs': 2}
    cfg.train_cfg.assigner = assigner
    return cfg


def tiny_rtmdet_cfg(
    num_classes: int = 3, base_channels: int = 8, separate: bool = True, **kw: object
) -> ConfigDict:
    """RTMDet on five levels, with batch norms of each level, or else one tower for all."""
    host = host_model('rtmdet/rtmdet_l_8xb32-300e_coco')
    head = {**host.bbox_head, 'anchor_generator': dict(
        type='mmdet.MlvlPointGenerator', offset=0, strides=_STRIDES
    )}  # fmt: skip
    if not separate:
        head['type'] = 'mmdet.RTMDetHead'
        for key in ('share_conv', 'exp_on_reg'):
            del head[key]
    cfg = _points_cfg('mmdet.RTMDet', num_classes, base_channels, head, host.train_cfg.assigner)
    return ConfigDict({**cfg, **kw})


def tiny_yolox_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """YOLOX on five levels."""
    host = host_model('yolox/yolox_s_8xb8-300e_coco')
    head = {**host.bbox_head, 'strides': _STRIDES}
    cfg = _points_cfg('mmdet.YOLOX', num_classes, base_channels, head, host.train_cfg.assigner)
    return ConfigDict({**cfg, **kw})


class _Mixture:
    """Two clusters around the first means; what is nearer to its own scores higher."""

    def __init__(self, components: int, means_init: np.ndarray, **settings: object) -> None:
        self._means = means_init.ravel()

    def fit(self, rows: np.ndarray) -> None:
        """Nothing: the means stay."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """(N, 1) -> (N,), the nearest mean of each."""
        return np.abs(rows - self._means).argmin(axis=1)

    def score_samples(self, rows: np.ndarray) -> np.ndarray:
        """(N, 1) -> (N,)."""
        return -np.abs(rows - self._means).min(axis=1)


MIXTURES: Any = SimpleNamespace(GaussianMixture=_Mixture)
"""What PAA's head calls of ``sklearn.mixture``, for tests where it is not installed."""
