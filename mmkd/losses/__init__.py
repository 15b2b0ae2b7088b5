"""One registered module a formula: it holds the constants, checks the inputs, names the divisor."""

from .hint import HintLoss
from .imitation import ImitationLoss

__all__ = ['HintLoss', 'ImitationLoss']
