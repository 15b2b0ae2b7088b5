"""Formulas on plain tensors: no registry, no config, no detector."""

from mmkd.utils import renamed_in

from .binary_kd import (
    binary_cross_entropy,
    binary_gap,
    focused_binary_cross_entropy,
    one_against_rest,
)
from .bounded_regression import teacher_bounded_error
from .boxes import giou_error, log_iou_error
from .cross_kd import absolute_error, match_statistics, softmax_divergence
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
from .standardize import NORMALIZATIONS, channel_moments, normalize_maps

__all__ = [
    'MAX_OVER',
    'NORMALIZATIONS',
    'NORMALIZE',
    'NORMS',
    'RegionErrors',
    'absolute_error',
    'assigned_levels',
    'binary_cross_entropy',
    'binary_gap',
    'channel_moments',
    'check_same_shape',
    'boxes_to_cells',
    'cropped_errors',
    'focused_binary_cross_entropy',
    'giou_error',
    'global_avg_factor',
    'hint_error',
    'imitation_mask',
    'log_iou_error',
    'masked_squared_error',
    'match_statistics',
    'mimic_rows',
    'normalize_maps',
    'one_against_rest',
    'pairwise_iou',
    'pooled_errors',
    'quantize',
    'softmax_divergence',
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
