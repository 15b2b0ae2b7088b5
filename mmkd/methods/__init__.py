"""One published method a file."""

from .auto_scale import AutoScale
from .base import DistillMethod
from .binary_kd import BinaryKD
from .bounded_regression import BoundedRegression
from .chen2017 import Chen2017
from .cross_kd import CrossKD
from .feature import FeatureMethod
from .fgfi import FGFI
from .hint import Hint
from .imitation import Imitation
from .proposal_mimic import ProposalMimic
from .quantization_mimic import QuantizationMimic
from .schedule import Schedule
from .soft_classification import SoftClassification
from .two_stage_mimic import TwoStageMimic

__all__ = [
    'FGFI',
    'AutoScale',
    'BinaryKD',
    'BoundedRegression',
    'Chen2017',
    'CrossKD',
    'DistillMethod',
    'FeatureMethod',
    'Hint',
    'Imitation',
    'ProposalMimic',
    'QuantizationMimic',
    'Schedule',
    'SoftClassification',
    'TwoStageMimic',
]
