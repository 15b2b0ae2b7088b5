"""Who runs when and on which inputs: the student in training, the frozen teacher."""

from .distill import DistillDetector
from .rfcn import RFCN
from .teacher import Teacher

__all__ = ['RFCN', 'DistillDetector', 'Teacher']
