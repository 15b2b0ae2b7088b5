"""What every formula shares: shapes, precision, squares that are kept, a count over processes."""

import torch
from torch import Tensor, distributed

from ...utils.errors import UserError


def check_same_shape(**tensors: Tensor) -> None:
    """Refuses tensors whose shapes differ, so that nothing broadcasts unnoticed.

    Args:
        tensors: Named tensors; the first sets the expected shape.

    Raises:
        ValueError: Names the tensor that differs, with both shapes.
    """
    names = iter(tensors.items())
    first_name, first = next(names)
    for name, tensor in names:
        if tensor.shape != first.shape:
            raise UserError(
                f'{name} must have the shape of {first_name}, {tuple(first.shape)}, '
                f'got {tuple(tensor.shape)}.'
            )


def wide(tensor: Tensor) -> Tensor:
    """In float32, or as it is where it is wider: what sums, quotients and comparisons need."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def squared_difference(student: Tensor, teacher: Tensor, kept: Tensor | None = None) -> Tensor:
    """(student - teacher)^2 where it is kept, else 0.

    What is not kept is taken out before it is squared, so that NaN or infinity there reaches
    neither the value nor the gradient.

    Args:
        student: Any shape.
        teacher: The same shape.
        kept: Bool, of a shape that broadcasts to it; None keeps everything.

    Returns:
        The same shape, in float32 or wider.
    """
    difference = wide(student) - wide(teacher)
    if kept is not None:
        difference = difference.masked_fill_(~kept, 0)  # a new tensor: nothing else reads it
    return difference.square()


def global_avg_factor(count: Tensor) -> Tensor:
    """The divisor that makes a loss averaged over processes equal to one over all their batches.

    Equals max(sum of ``count`` over processes, 1) / number of processes: DDP averages gradients,
    so each process divides by its share of the total. The clamp comes after the sum; a process
    without a single row must not raise the total.

    Args:
        count: Scalar count of this process, >= 0; an integer, or in float32 or wider: a narrower
            type has rounded already.

    Returns:
        Float32 scalar (float64 for a float64 count), >= 1 / number of processes; no gradient.
    """
    total = wide(count.detach()).clone()
    if not (distributed.is_available() and distributed.is_initialized()):
        return total.clamp(min=1.0)
    distributed.all_reduce(total)
    return total.clamp(min=1.0) / distributed.get_world_size()
