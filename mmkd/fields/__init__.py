"""What two detectors can be compared on, one file per field; importing them registers them."""

from . import (
    backbone,
    coders,
    dense,
    features,
    priors,
    proposals,
    queries,
    roi_embedding,
    roi_head,
    roi_stages,
    rpn,
)
from .field import (
    DryRun,
    Field,
    Query,
    Recorder,
    View,
    all_fields,
    as_tuple,
    evaluating,
    offered_fields,
    recording,
)
from .heads import class_count, dense_head

__all__ = [
    'DryRun',
    'Field',
    'Query',
    'Recorder',
    'View',
    'all_fields',
    'as_tuple',
    'backbone',
    'class_count',
    'coders',
    'dense',
    'dense_head',
    'evaluating',
    'features',
    'offered_fields',
    'priors',
    'proposals',
    'queries',
    'recording',
    'roi_embedding',
    'roi_head',
    'roi_stages',
    'rpn',
]
