"""Teacher-bounded regression: Chen et al., NIPS 2017, L_b."""

from torch import Tensor

from .reduction import squared_difference


def teacher_bounded_error(
    student: Tensor, teacher: Tensor, target: Tensor, margin: float = 0.0
) -> Tensor:
    """||R_S - y||^2 of each row where it exceeds ||R_T - y||^2 - margin strictly, else 0.

    Deltas of one encoding, (N, D) each -> (N,) in float32 or wider; ``margin``, their m, is in its
    squared units. The comparison is a constant to the gradient.
    """
    error, bound = (squared_difference(side, target).sum(dim=1) for side in (student, teacher))
    return error.masked_fill(error.detach() + margin <= bound.detach(), 0)
