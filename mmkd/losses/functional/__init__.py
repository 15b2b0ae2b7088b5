"""Formulas on plain tensors: no registry, no config, no detector."""

from .hint import NORMS, hint_error
from .imitation import MAX_OVER, assigned_levels, imitation_mask, masked_squared_error, pairwise_iou
from .reduction import check_same_shape, count_over_ranks

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
]
