"""Losses of whole maps as registered modules: attention transfer, FSP, NST and CWD."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_number

from .functional import (
    ATTENTION_FORMS,
    ATTENTION_MAPS,
    KERNELS,
    attention_error,
    attention_map,
    channel_divergence,
    constant,
    fsp_error,
    fsp_matrix,
    global_avg_factor,
    selectivity_error,
)


class _MapLoss(nn.Module):
    """The error of each image, averaged over the images of all processes, summed over levels."""

    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        check_number('loss_weight', loss_weight, '>= 0')
        self.loss_weight = loss_weight

    def error(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B,) from the two maps of a level."""
        raise NotImplementedError

    def forward(self, *, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Maps of all levels to a scalar.

        Args:
            student: Per level (B, C_S, H, W).
            teacher: Per level (B, C_T, H, W); no gradient flows into it.
        """
        errors = [self.error(s, t.detach()) for s, t in zip(student, teacher, strict=True)]
        images = global_avg_factor(constant(len(errors[0]), errors[0]))
        return self.loss_weight * torch.stack(errors).sum() / images


@MODELS.register_module()
class AttentionLoss(_MapLoss):
    """Distance of the maps of where each network is active.

    Source: Zagoruyko and Komodakis, Paying More Attention to Attention, ICLR 2017, equation 2.

    Args:
        loss_weight: Their beta, >= 0.
        attention: ``'sum'`` of |A| over the channels, ``'sum_p'`` of |A|^p, or ``'max_p'``.
        p: Exponent, >= 1.
        form: ``'mean_square'``, the official code's, or ``'norm'``, the paper's.
    """

    def __init__(
        self,
        loss_weight: float = 1000.0,
        attention: str = 'sum_p',
        p: float = 2.0,
        form: str = 'mean_square',
    ) -> None:
        super().__init__(loss_weight)
        check_choice('attention', attention, ATTENTION_MAPS)
        check_choice('form', form, ATTENTION_FORMS)
        check_number('p', p, '>= 1')
        self.attention, self.p, self.form = attention, p, form

    def error(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B,) from maps of any channels."""
        own, target = (attention_map(side, self.attention, self.p) for side in (student, teacher))
        return attention_error(own, target, self.form)


@MODELS.register_module()
class SelectivityLoss(_MapLoss):
    """MMD^2 between the channels of the two maps.

    Source: Huang and Wang, Like What You Like: Knowledge Distill via Neuron Selectivity Transfer,
    2017, equations 3 to 6. Their 1/2 is in the weight.

    Args:
        loss_weight: Half of their lambda, >= 0; 25 and 50 for the polynomial and Gaussian kernels.
        kernel: ``'polynomial'`` ((x.y)^2), ``'linear'`` or ``'gaussian'``.
    """

    def __init__(self, loss_weight: float = 25.0, kernel: str = 'polynomial') -> None:
        super().__init__(loss_weight)
        check_choice('kernel', kernel, KERNELS)
        self.kernel = kernel

    def error(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B,) from maps of any channels."""
        return selectivity_error(student, teacher, self.kernel)


@MODELS.register_module()
class ChannelWiseLoss(_MapLoss):
    """T^2 KL of each channel's distribution over the cells, averaged over channels.

    Source: Shu, Liu, Gao, Yan, Shen. Channel-wise Knowledge Distillation for Dense Prediction. ICCV
    2021, equations 2 and 3.

    Args:
        loss_weight: Their alpha, >= 0.
        temperature: tau > 0.
    """

    def __init__(self, loss_weight: float = 5.0, temperature: float = 1.0) -> None:
        super().__init__(loss_weight)
        check_number('temperature', temperature, '> 0')
        self.temperature = temperature

    def error(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B,) from maps of one shape."""
        return channel_divergence(student, teacher, self.temperature)


@MODELS.register_module()
class FSPLoss(_MapLoss):
    """Squared distance of the matrices between pairs of a network's maps.

    Source: Yim, Joo, Bae, Kim. A Gift from Knowledge Distillation. CVPR 2017, equations 1 and 2.

    Args:
        loss_weight: lambda of every pair, >= 0.
        reduction: ``'sum'`` over a matrix, the paper's, or ``'mean'``, divided by its entries.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: str = 'mean') -> None:
        super().__init__(loss_weight)
        check_choice('reduction', reduction, ('sum', 'mean'))
        self.reduction = reduction

    def error(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B,) from matrices (B, M, N)."""
        entries = student[0].numel() if self.reduction == 'mean' else 1
        return fsp_error(student, teacher) / entries

    def forward(  # type: ignore[override]  # of pairs
        self,
        *,
        student: Sequence[tuple[Tensor, Tensor]],
        teacher: Sequence[tuple[Tensor, Tensor]],
    ) -> Tensor:
        """Pairs of maps to a scalar: summed over pairs, averaged over the images of all processes.

        Args:
            student: Per pair (B, M, H1, W1) and (B, N, H2, W2).
            teacher: Per pair maps of the same channels; no gradient flows into them.
        """
        own, target = ([fsp_matrix(*pair) for pair in side] for side in (student, teacher))
        return super().forward(student=own, teacher=target)
