"""Builders for tests: tiny detectors, batches, data sets. Only ``tests/`` imports this."""

from .batches import demo_batch
from .compare import differences
from .datasets import write_tiny_coco
from .detectors import (
    tiny_c4_faster_rcnn_cfg,
    tiny_faster_rcnn_cfg,
    tiny_fcos_cfg,
    tiny_retinanet_cfg,
    tiny_ssd_cfg,
)
from .rfcn import tiny_rfcn_cfg
from .runs import in_process, in_two_processes, start_process, tiny_run_cfg, train

__all__ = [
    'demo_batch',
    'differences',
    'in_process',
    'in_two_processes',
    'start_process',
    'tiny_c4_faster_rcnn_cfg',
    'tiny_faster_rcnn_cfg',
    'tiny_fcos_cfg',
    'tiny_retinanet_cfg',
    'tiny_rfcn_cfg',
    'tiny_run_cfg',
    'tiny_ssd_cfg',
    'train',
    'write_tiny_coco',
]
