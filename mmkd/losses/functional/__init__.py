"""Formulas on plain tensors: no registry, no config, no detector."""

from .imitation import MAX_OVER, assigned_levels, imitation_mask, masked_squared_error, pairwise_iou
from .reduction import check_same_shape, count_over_ranks

__all__ = [
    'MAX_OVER',
    'assigned_levels',
    'check_same_shape',
    'count_over_ranks',
    'imitation_mask',
    'masked_squared_error',
    'pairwise_iou',
]
