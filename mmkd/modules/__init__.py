"""Parts that methods plug in: adapters, level pairing, regions."""

from .adapters import ConvAdapter, DeconvAdapter
from .aligner import FeatureAligner
from .cutting import REGIONS, RegionCut
from .pairing import pair_levels, resize_like
from .parts import constructor, named_class
from .proposals import ProposalRegion, Proposals
from .ps_roi import PSRoIExtractor
from .quantizer import Quantizer
from .regions import ImitationRegion, move_priors

__all__ = [
    'REGIONS',
    'ConvAdapter',
    'DeconvAdapter',
    'FeatureAligner',
    'ImitationRegion',
    'PSRoIExtractor',
    'ProposalRegion',
    'Proposals',
    'Quantizer',
    'RegionCut',
    'constructor',
    'move_priors',
    'named_class',
    'pair_levels',
    'resize_like',
]
