"""One registered module a formula: it holds the constants, checks the inputs, names the divisor."""

from .bounded_regression import TeacherBoundedLoss
from .hint import HintLoss
from .imitation import CellLoss, ImitationLoss
from .logits import CorrelationLoss, DecoupledLoss, SoftTargetLoss
from .maps import AttentionLoss, ChannelWiseLoss, FSPLoss, SelectivityLoss
from .proposal_mimic import ProposalMimicLoss
from .relations import RankingLoss, RelationLoss, TripletLoss
from .row_loss import RowLoss
from .set_prediction import SetPredictionLoss
from .soft_targets import WeightedSoftLoss

__all__ = [
    'AttentionLoss',
    'CellLoss',
    'ChannelWiseLoss',
    'CorrelationLoss',
    'DecoupledLoss',
    'FSPLoss',
    'HintLoss',
    'ImitationLoss',
    'ProposalMimicLoss',
    'RankingLoss',
    'RelationLoss',
    'RowLoss',
    'SelectivityLoss',
    'SetPredictionLoss',
    'SoftTargetLoss',
    'TeacherBoundedLoss',
    'TripletLoss',
    'WeightedSoftLoss',
]
