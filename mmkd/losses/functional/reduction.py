"""What every formula shares: shapes, precision, squares that are kept, a count over processes."""

import torch
from torch import Tensor, distributed

from ...utils.errors import UserError


def check_same_shape(**tensors: Tensor) -> None:
    """Refuses tensors whose shapes differ, so that nothing broadcasts unnoticed.

    Raises:
        ValueError: Names the first tensor whose shape is not that of the very first, with both.
    """
    first_name, first = next(iter(tensors.items()))
    for name, tensor in tensors.items():
        if tensor.shape != first.shape:
            raise UserError(
                f'{name} must have the shape of {first_name}, {tuple(first.shape)}, '
                f'got {tuple(tensor.shape)}.'
            )


def wide(tensor: Tensor) -> Tensor:
    """In float32, or as it is where it is wider: what sums, quotients and comparisons need."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def product(first: Tensor, second: Tensor) -> Tensor:
    """First @ second in float32 or wider, also under an autocast, which would round both."""
    with torch.autocast(first.device.type, enabled=False):
        return wide(first) @ wide(second)


def constant(value: object, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A number, or lists of them, beside a tensor; unlike ``new_tensor`` it waits for no GPU.

    Of the dtype of ``like``, unless one is given.
    """
    return torch.tensor(value, dtype=dtype or like.dtype).to(like.device, non_blocking=True)


def squared_difference(student: Tensor, teacher: Tensor, kept: Tensor | None = None) -> Tensor:
    """(student - teacher)^2 where it is kept, else 0.

    What is not kept is taken out before it is squared, so that NaN or infinity there reaches
    neither the value nor the gradient. Of any shape, in float32 or wider; ``kept`` is bool and
    broadcasts to it.
    """
    difference = wide(student) - wide(teacher)
    if kept is not None:
        difference = difference.masked_fill_(~kept, 0)  # a new tensor: nothing else reads it
    return difference.square()


def global_mean(rows: Tensor, avg_factor: float | Tensor) -> Tensor:
    """Sum of all rows over ``avg_factor``, this process's, counted over all processes here."""
    count = avg_factor if isinstance(avg_factor, Tensor) else constant(avg_factor, rows)
    return rows.sum() / global_avg_factor(count)


def global_avg_factor(count: Tensor) -> Tensor:
    """The divisor that makes a loss averaged over processes equal to one over all their batches.

    Equals max(sum of ``count`` over processes, 1) / number of processes: DDP averages gradients,
    so each process divides by its share of the total. The clamp comes after the sum; a process
    without a single row must not raise the total. Counts >= 0 are integers, or in float32 or wider:
    a narrower type has rounded already. No gradient.
    """
    total = wide(count.detach()).clone()
    if not (distributed.is_available() and distributed.is_initialized()):
        return total.clamp(min=1.0)
    distributed.all_reduce(total)
    return total.clamp(min=1.0) / distributed.get_world_size()
