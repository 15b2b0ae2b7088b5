"""Formulas on plain tensors: no registry, no config, no detector."""

from mmkd.utils import renamed_in

from .bounded_regression import teacher_bounded_error
from .hint import NORMS, hint_error
from .imitation import MAX_OVER, assigned_levels, imitation_mask, masked_squared_error, pairwise_iou
from .proposal_mimic import (
    NORMALIZE,
    RegionErrors,
    boxes_to_cells,
    cropped_errors,
    mimic_rows,
    pooled_errors,
)
from .quantize import quantize
from .reduction import check_same_shape, global_avg_factor, squared_difference, wide
from .soft_targets import weighted_soft_binary_cross_entropy, weighted_soft_cross_entropy

__all__ = [
    'MAX_OVER',
    'NORMALIZE',
    'NORMS',
    'RegionErrors',
    'assigned_levels',
    'check_same_shape',
    'boxes_to_cells',
    'cropped_errors',
    'global_avg_factor',
    'hint_error',
    'imitation_mask',
    'masked_squared_error',
    'mimic_rows',
    'pairwise_iou',
    'pooled_errors',
    'quantize',
    'squared_difference',
    'teacher_bounded_error',
    'weighted_soft_binary_cross_entropy',
    'weighted_soft_cross_entropy',
    'wide',
]

__getattr__ = renamed_in(
    __name__,
    globals(),
    {'count_over_ranks': 'global_avg_factor', 'covered_cells': 'boxes_to_cells'},
)
