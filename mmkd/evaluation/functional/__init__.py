"""Matching and average precision on arrays: no registry, no config, no detector."""

from .kitti import (
    DIFFICULTIES,
    DONT_CARE,
    MIN_OVERLAP,
    Difficulty,
    KITTIFrame,
    kitti_average_precision,
    kitti_precision,
    recall_thresholds,
)
from .proposals import proposal_recalls

__all__ = [
    'DIFFICULTIES',
    'DONT_CARE',
    'MIN_OVERLAP',
    'Difficulty',
    'KITTIFrame',
    'kitti_average_precision',
    'kitti_precision',
    'proposal_recalls',
    'recall_thresholds',
]
