"""Formulas on plain tensors: no registry, no config, no detector."""

from mmkd.utils import renamed_in

from .attention import ATTENTION_FORMS, ATTENTION_MAPS, attention_error, attention_map
from .binary_kd import (
    binary_cross_entropy,
    binary_gap,
    focused_binary_cross_entropy,
    one_against_rest,
)
from .bounded_regression import teacher_bounded_error
from .boxes import giou_error, log_iou_error
from .channel_wise import channel_divergence
from .cross_kd import absolute_error, match_statistics, softmax_divergence
from .fgd import box_masks, focal_attention, focal_errors
from .fsp import fsp_error, fsp_matrix
from .hint import NORMS, hint_error
from .imitation import MAX_OVER, assigned_levels, imitation_mask, masked_squared_error, pairwise_iou
from .ld import edge_divergence, valuable_region
from .logits import decoupled_rows, kl_rows, pearson, soft_binary_rows, soft_target_rows
from .neurons import (
    balanced_accuracies,
    keep_probabilities,
    neuron_costs,
    neuron_similarities,
    select_neurons,
)
from .nst import KERNELS, selectivity_error
from .proposal_mimic import (
    NORMALIZE,
    RegionErrors,
    boxes_to_cells,
    cropped_errors,
    mimic_rows,
    pooled_errors,
)
from .quantize import quantize
from .reduction import (
    check_same_shape,
    constant,
    global_avg_factor,
    global_mean,
    product,
    squared_difference,
    wide,
)
from .relations import (
    angle_error,
    distance_error,
    ranking_error,
    triplet_error,
    triplet_terms,
)
from .set_prediction import match_queries, query_costs, query_errors
from .soft_targets import weighted_soft_binary_cross_entropy, weighted_soft_cross_entropy
from .standardize import NORMALIZATIONS, channel_moments, normalize_maps

__all__ = [
    'ATTENTION_FORMS',
    'ATTENTION_MAPS',
    'KERNELS',
    'MAX_OVER',
    'NORMALIZATIONS',
    'NORMALIZE',
    'NORMS',
    'RegionErrors',
    'absolute_error',
    'angle_error',
    'assigned_levels',
    'attention_error',
    'attention_map',
    'balanced_accuracies',
    'binary_cross_entropy',
    'binary_gap',
    'box_masks',
    'boxes_to_cells',
    'channel_divergence',
    'channel_moments',
    'check_same_shape',
    'constant',
    'cropped_errors',
    'decoupled_rows',
    'distance_error',
    'edge_divergence',
    'focal_attention',
    'focal_errors',
    'focused_binary_cross_entropy',
    'fsp_error',
    'fsp_matrix',
    'giou_error',
    'global_avg_factor',
    'global_mean',
    'hint_error',
    'imitation_mask',
    'keep_probabilities',
    'kl_rows',
    'log_iou_error',
    'masked_squared_error',
    'match_queries',
    'match_statistics',
    'mimic_rows',
    'neuron_costs',
    'neuron_similarities',
    'normalize_maps',
    'one_against_rest',
    'pairwise_iou',
    'pearson',
    'pooled_errors',
    'quantize',
    'query_costs',
    'query_errors',
    'ranking_error',
    'select_neurons',
    'selectivity_error',
    'soft_binary_rows',
    'soft_target_rows',
    'softmax_divergence',
    'squared_difference',
    'teacher_bounded_error',
    'triplet_error',
    'triplet_terms',
    'valuable_region',
    'weighted_soft_binary_cross_entropy',
    'weighted_soft_cross_entropy',
    'product',
    'wide',
]

__getattr__ = renamed_in(
    __name__,
    globals(),
    {'count_over_ranks': 'global_avg_factor', 'covered_cells': 'boxes_to_cells'},
)
