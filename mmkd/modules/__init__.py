"""Parts that methods plug in: adapters, level pairing, regions."""

from mmkd.utils import renamed_in

from .adapters import (
    ChannelAdapter,
    ConvAdapter,
    DeconvAdapter,
    NoAdapter,
    ValidConvAdapter,
)
from .aligner import FeatureAligner
from .pairing import pair_levels, resize_like
from .parts import constructor, named_class
from .proposals import ProposalRegion, Proposals
from .ps_roi import PSRoIExtractor
from .quantizer import Quantizer
from .region_pooling import REGIONS, RegionPool
from .regions import ImitationRegion, move_priors
from .weighted_regions import ConfidenceRegion, ProposalCells

__all__ = [
    'REGIONS',
    'ChannelAdapter',
    'ConfidenceRegion',
    'ConvAdapter',
    'DeconvAdapter',
    'FeatureAligner',
    'ImitationRegion',
    'NoAdapter',
    'PSRoIExtractor',
    'ProposalCells',
    'ProposalRegion',
    'Proposals',
    'Quantizer',
    'RegionPool',
    'ValidConvAdapter',
    'constructor',
    'move_priors',
    'named_class',
    'pair_levels',
    'resize_like',
]

__getattr__ = renamed_in(__name__, globals(), {'RegionCut': 'RegionPool'})
