"""What every formula shares: shape checks and the one way to count over processes."""

import torch
from torch import Tensor, distributed


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
            raise ValueError(
                f'{name} must have the shape of {first_name}, {tuple(first.shape)}, '
                f'got {tuple(tensor.shape)}.'
            )


def count_over_ranks(count: Tensor) -> Tensor:
    """The divisor that makes a loss averaged over processes equal to one over all their batches.

    Equals max(sum of ``count`` over processes, 1) / number of processes: DDP averages gradients,
    so each process divides by its share of the total. The clamp comes after the sum; a process
    without a single row must not raise the total.

    Args:
        count: Scalar count of this process, >= 0, any dtype.

    Returns:
        Float32 scalar (float64 for a float64 count), >= 1 / number of processes; no gradient.
    """
    total = count.detach().to(torch.promote_types(count.dtype, torch.float32)).clone()
    if not (distributed.is_available() and distributed.is_initialized()):
        return total.clamp(min=1.0)
    distributed.all_reduce(total)
    return total.clamp(min=1.0) / distributed.get_world_size()
