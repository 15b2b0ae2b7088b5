"""Metrics that MMDetection lacks or leaves half said."""

from .coco_backends import BACKENDS, CocoCurves, coco_curves
from .coco_metric import CocoMetric
from .ilsvrc_metric import ILSVRCDETMetric
from .kitti_metric import KITTIMetric
from .lamr_metric import CaltechMetric, LAMRMetric
from .voc_folder_metric import VOCFolderMetric, VOCMetric
from .wider_face_metric import WIDERFaceMetric

__all__ = [
    'BACKENDS',
    'CaltechMetric',
    'CocoCurves',
    'CocoMetric',
    'ILSVRCDETMetric',
    'KITTIMetric',
    'LAMRMetric',
    'VOCFolderMetric',
    'VOCMetric',
    'WIDERFaceMetric',
    'coco_curves',
]
