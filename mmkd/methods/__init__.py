"""One published method a file."""

from .attention_transfer import AttentionTransfer
from .auto_scale import AutoScale
from .base import DistillMethod
from .binary_kd import BinaryKD
from .bounded_regression import BoundedRegression
from .chen2017 import Chen2017
from .cross_kd import CrossKD
from .cwd import CWD
from .dark_rank import DarkRank
from .dist import DIST
from .dkd import DKD
from .feature import FeatureMethod
from .fgd import FGD
from .fgfi import FGFI
from .fitnets import FitNets
from .fsp import FSP
from .hint import Hint
from .imitation import Imitation
from .kd import KD
from .ld import LD
from .mgd import MGD
from .neuron_selection import NeuronSelection
from .nst import NST
from .proposal_mimic import ProposalMimic
from .quantization_mimic import QuantizationMimic
from .recipe import Recipe
from .rkd import RKD
from .schedule import Schedule
from .set_prediction import SetPrediction
from .soft_classification import SoftClassification
from .triplet_distillation import TripletDistillation
from .two_stage_mimic import TwoStageMimic

__all__ = [
    'CWD',
    'DIST',
    'DKD',
    'FGD',
    'FGFI',
    'FSP',
    'KD',
    'LD',
    'MGD',
    'NST',
    'RKD',
    'AttentionTransfer',
    'AutoScale',
    'BinaryKD',
    'BoundedRegression',
    'Chen2017',
    'CrossKD',
    'DarkRank',
    'DistillMethod',
    'FeatureMethod',
    'FitNets',
    'Hint',
    'Imitation',
    'NeuronSelection',
    'ProposalMimic',
    'QuantizationMimic',
    'Recipe',
    'Schedule',
    'SetPrediction',
    'SoftClassification',
    'TripletDistillation',
    'TwoStageMimic',
]
