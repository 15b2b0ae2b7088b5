"""Builders for tests: tiny detectors, batches, data sets. Only ``tests/`` imports this."""

from .batches import demo_batch
from .detectors import (
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
)

__all__ = [
    'demo_batch',
    'tiny_c4_faster_rcnn_cfg',
    'tiny_faster_rcnn_cfg',
    'tiny_fcos_cfg',
    'tiny_retinanet_cfg',
]
