"""One registered module a formula: it holds the constants, checks the inputs, names the divisor."""

from .bounded_regression import TeacherBoundedLoss
from .cell_loss import CellLoss
from .hint import HintLoss
from .imitation import ImitationLoss
from .proposal_mimic import ProposalMimicLoss
from .row_loss import RowLoss
from .soft_targets import WeightedSoftLoss

__all__ = [
    'CellLoss',
    'HintLoss',
    'ImitationLoss',
    'ProposalMimicLoss',
    'RowLoss',
    'TeacherBoundedLoss',
    'WeightedSoftLoss',
]
