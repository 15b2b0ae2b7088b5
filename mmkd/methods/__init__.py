"""One published method a file."""

from .base import DistillMethod
from .fgfi import FGFI

__all__ = ['FGFI', 'DistillMethod']
