"""Cross-head distillation: Wang et al., CVPR 2024 (CrossKD).

Letters: B images, C channels, H x W cells, N rows, D columns.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import wide


def match_statistics(student: Tensor, teacher: Tensor) -> Tensor:
    """(h_S - mean_S) / (std_S + 1e-6) * std_T + mean_T, per channel over (B, H, W).

    The standard deviation is the unbiased one; of a single number it is 0.

    Args:
        student: (B, C, H, W), h_S.
        teacher: (B, C, H, W), whose mean and deviation the result has.

    Returns:
        (B, C, H, W) in float32 or wider.
    """
    (student, mean, std), (_, target_mean, target_std) = (
        _moments(wide(side)) for side in (student, teacher)
    )
    return (student - mean) / (std + 1e-6) * target_std + target_mean


def _moments(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    axes = (0, 2, 3)
    several = maps[:, 0].numel() > 1
    std = maps.std(dim=axes, correction=int(several), keepdim=True)
    return maps, maps.mean(dim=axes, keepdim=True), std


def softmax_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(z_T) || softmax(z_S)) of each row.

    Args:
        student: (N, D) logits.
        teacher: (N, D) logits.

    Returns:
        (N,) in float32 or wider.
    """
    log_probs, target = (functional.log_softmax(wide(side), 1) for side in (student, teacher))
    return functional.kl_div(log_probs, target, reduction='none', log_target=True).sum(dim=1)


def absolute_error(student: Tensor, teacher: Tensor) -> Tensor:
    """sum_d |s_d - t_d| of each row.

    Args:
        student: (N, D).
        teacher: (N, D).

    Returns:
        (N,) in float32 or wider.
    """
    return (wide(student) - wide(teacher)).abs().sum(dim=1)
