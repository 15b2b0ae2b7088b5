"""Matching and average precision on arrays: no registry, no config, no detector."""

from .ilsvrc import match_objects, tolerant_thresholds
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
from .miss_rate import (
    FPPI_POINTS,
    SUBSETS,
    MissRateCurve,
    PedestrianFrame,
    Subset,
    log_average_miss_rate,
    match_pedestrians,
)
from .overlaps import proposal_recalls
from .wider_face import FaceMatches, area_under_curve, match_faces, wider_face_curve

__all__ = [
    'DIFFICULTIES',
    'DONT_CARE',
    'FPPI_POINTS',
    'MIN_OVERLAP',
    'SUBSETS',
    'Difficulty',
    'FaceMatches',
    'KITTIFrame',
    'MissRateCurve',
    'PedestrianFrame',
    'Subset',
    'area_under_curve',
    'kitti_average_precision',
    'kitti_precision',
    'log_average_miss_rate',
    'match_faces',
    'match_objects',
    'match_pedestrians',
    'proposal_recalls',
    'recall_thresholds',
    'tolerant_thresholds',
    'wider_face_curve',
]
