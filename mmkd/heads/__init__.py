"""Detector parts that MMDetection lacks."""

from .level_rpn_head import LevelRPNHead
from .object_balanced_sampler import ObjectBalancedSampler
from .quantized_neck import QuantizedNeck
from .rfcn_head import RFCNHead, ScoreMaps
from .rfcn_neck import RFCNNeck
from .rfcn_roi_head import RFCNRoIHead

__all__ = [
    'LevelRPNHead',
    'ObjectBalancedSampler',
    'QuantizedNeck',
    'RFCNHead',
    'RFCNNeck',
    'RFCNRoIHead',
    'ScoreMaps',
]
