"""Who runs when and on which inputs: the student in training, the frozen teacher."""

from .distill import DistillDetector
from .teacher import Teacher

__all__ = ['DistillDetector', 'Teacher']
