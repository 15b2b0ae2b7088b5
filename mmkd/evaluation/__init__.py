"""Metrics that MMDetection lacks or leaves half said."""

from .coco_backends import BACKENDS, CocoCurves, coco_curves
from .coco_metric import CocoMetric
from .kitti_metric import KITTIMetric
from .voc_folder_metric import VOCFolderMetric, VOCMetric

__all__ = [
    'BACKENDS',
    'CocoCurves',
    'CocoMetric',
    'KITTIMetric',
    'VOCFolderMetric',
    'VOCMetric',
    'coco_curves',
]
