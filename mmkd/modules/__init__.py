"""Parts that methods plug in: adapters, level pairing, regions."""

from .adapters import ConvAdapter
from .pairing import pair_levels, resize_like
from .ps_roi import PSRoIExtractor
from .regions import ImitationRegion, move_priors

__all__ = [
    'ConvAdapter',
    'ImitationRegion',
    'PSRoIExtractor',
    'move_priors',
    'pair_levels',
    'resize_like',
]
