"""Hints: Chen et al., NIPS 2017, L_Hint; Romero et al., ICLR 2015.

Letters: B images, C channels of the teacher's map, H x W cells.
"""

from torch import Tensor

from ...utils.errors import UserError
from .reduction import squared_difference, wide

NORMS = ('l2', 'l1')


def hint_error(student: Tensor, teacher: Tensor, norm: str = 'l2') -> Tensor:
    """Sum over all elements of (student - teacher)^2, or of |student - teacher|.

    Args:
        student: (B, C, H, W) adapted student map, V in the paper.
        teacher: (B, C, H, W) teacher map, Z in the paper.
        norm: ``'l2'`` for the squared error, ``'l1'`` for the absolute one.

    Returns:
        Scalar in float32 or wider: the numerator of L_Hint.

    Raises:
        ValueError: ``norm`` is neither.
    """
    if norm not in NORMS:
        raise UserError(f'norm must be one of {NORMS}, got {norm!r}.')
    if norm == 'l2':
        return squared_difference(student, teacher).sum()
    return (wide(student) - wide(teacher)).abs().sum()
