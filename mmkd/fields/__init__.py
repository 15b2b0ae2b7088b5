"""What two detectors can be compared on, one file a field."""

from .backbone import Backbone
from .dense import Dense, DenseInfo, DenseOutput
from .features import Features
from .field import (
    DryRun,
    Field,
    Query,
    Recorder,
    View,
    all_fields,
    as_tuple,
    offered_fields,
    recording,
)
from .heads import Outputs, class_count, dense_head
from .priors import PriorsField
from .proposals import Proposals
from .roi_embedding import EmbeddingInfo, RoIEmbedding
from .roi_head import RoIBoxCoder, RoIHead
from .roi_stages import RoIStages
from .rpn import RPN, RPNBoxCoder

__all__ = [
    'RPN',
    'Backbone',
    'Dense',
    'DenseInfo',
    'DenseOutput',
    'DryRun',
    'EmbeddingInfo',
    'Features',
    'Field',
    'Outputs',
    'PriorsField',
    'Proposals',
    'Query',
    'RPNBoxCoder',
    'Recorder',
    'RoIBoxCoder',
    'RoIEmbedding',
    'RoIHead',
    'RoIStages',
    'View',
    'all_fields',
    'as_tuple',
    'class_count',
    'dense_head',
    'offered_fields',
    'recording',
]
