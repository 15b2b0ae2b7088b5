"""Hints: Chen et al., NIPS 2017, L_Hint; Romero et al., ICLR 2015.

Letters: B images, C channels of the teacher's map, H x W cells.
"""

from torch import Tensor

from ...settings import check_choice
from .reduction import squared_difference, wide

NORMS = ('l2', 'l1')


def hint_error(student: Tensor, teacher: Tensor, norm: str = 'l2') -> Tensor:
    """Sum over all elements of (V - Z)^2, or with ``norm='l1'`` of |V - Z|: L_Hint's numerator.

    Maps (B, C, H, W), the student's V adapted -> scalar in float32 or wider.

    Raises:
        ValueError: ``norm`` is none of :data:`NORMS`.
    """
    check_choice('norm', norm, NORMS)
    if norm == 'l2':
        return squared_difference(student, teacher).sum()
    return (wide(student) - wide(teacher)).abs().sum()
