"""A fast linter of data sets: what is missing, damaged, out of place or there twice."""

from .checks import check_splits
from .configs import SPLITS, check_coco_files, classes_of, splits_of_config
from .folders import splits_of_path
from .records import KINDS, Box, Finding, Record, Report, Split
from .report import render

__all__ = [
    'KINDS',
    'SPLITS',
    'Box',
    'Finding',
    'Record',
    'Report',
    'Split',
    'check_coco_files',
    'classes_of',
    'check_splits',
    'render',
    'splits_of_config',
    'splits_of_path',
]
