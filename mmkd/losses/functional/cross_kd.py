"""Cross-head distillation: Wang et al., CVPR 2024 (CrossKD).

Letters: B images, C channels, H x W cells, N rows, D columns.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import wide
from .standardize import channel_moments


def match_statistics(student: Tensor, teacher: Tensor) -> Tensor:
    """(h_S - mean_S) / (std_S + 1e-6) * std_T + mean_T, per channel over (B, H, W).

    (B, C, H, W) each -> (B, C, H, W), h_S with the teacher's mean and deviation, in float32 or
    wider. The standard deviation is the unbiased one; of a single number it is 0.
    """
    student = wide(student)
    mean, std = channel_moments(student)
    target_mean, target_std = channel_moments(wide(teacher))
    return (student - mean) / (std + 1e-6) * target_std + target_mean


def softmax_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(softmax(z_T) || softmax(z_S)) of logits, (N, D) each -> (N,) in float32 or wider."""
    log_probs, target = (functional.log_softmax(wide(side), 1) for side in (student, teacher))
    return functional.kl_div(log_probs, target, reduction='none', log_target=True).sum(dim=1)


def absolute_error(student: Tensor, teacher: Tensor) -> Tensor:
    """sum_d |s_d - t_d| of each row, (N, D) each -> (N,) in float32 or wider."""
    return (wide(student) - wide(teacher)).abs().sum(dim=1)
