"""One registered module a formula: it holds the constants, checks the inputs, names the divisor."""

from .imitation import ImitationLoss

__all__ = ['ImitationLoss']
