"""Metrics that MMDetection lacks or leaves half said."""

from .kitti_metric import KITTIMetric
from .voc_folder_metric import VOCFolderMetric

__all__ = ['KITTIMetric', 'VOCFolderMetric']
