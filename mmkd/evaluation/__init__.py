"""Metrics that MMDetection lacks or leaves half said."""

from .voc_folder_metric import VOCFolderMetric

__all__ = ['VOCFolderMetric']
