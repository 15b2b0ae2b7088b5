"""One published method a file."""

from .base import DistillMethod
from .fgfi import FGFI
from .hint import Hint

__all__ = ['FGFI', 'DistillMethod', 'Hint']
