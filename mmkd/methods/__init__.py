"""One published method a file."""

from .auto_scale import AutoScale
from .base import DistillMethod
from .bounded_regression import BoundedRegression
from .chen2017 import Chen2017
from .feature import FeatureMethod
from .fgfi import FGFI
from .hint import Hint
from .proposal_mimic import ProposalMimic
from .quantization_mimic import QuantizationMimic
from .schedule import Schedule
from .soft_classification import SoftClassification
from .two_stage_mimic import TwoStageMimic

__all__ = [
    'FGFI',
    'AutoScale',
    'BoundedRegression',
    'Chen2017',
    'DistillMethod',
    'FeatureMethod',
    'Hint',
    'ProposalMimic',
    'QuantizationMimic',
    'Schedule',
    'SoftClassification',
    'TwoStageMimic',
]
