"""Who runs when and on which inputs: the student in training, the frozen teachers."""

from .distill import DistillDetector
from .feature_teacher import FeatureTeacher
from .pseudo_labels import PseudoLabels
from .rfcn import RFCN
from .teacher import Teacher

__all__ = ['RFCN', 'DistillDetector', 'FeatureTeacher', 'PseudoLabels', 'Teacher']
