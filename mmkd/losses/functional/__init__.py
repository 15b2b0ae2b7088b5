"""Formulas on plain tensors: no registry, no config, no detector."""

from .bounded_regression import teacher_bounded_error
from .hint import NORMS, hint_error
from .imitation import MAX_OVER, assigned_levels, imitation_mask, masked_squared_error, pairwise_iou
from .reduction import check_same_shape, count_over_ranks
from .soft_targets import weighted_soft_binary_cross_entropy, weighted_soft_cross_entropy

__all__ = [
    'MAX_OVER',
    'NORMS',
    'assigned_levels',
    'check_same_shape',
    'count_over_ranks',
    'hint_error',
    'imitation_mask',
    'masked_squared_error',
    'pairwise_iou',
    'teacher_bounded_error',
    'weighted_soft_binary_cross_entropy',
    'weighted_soft_cross_entropy',
]
