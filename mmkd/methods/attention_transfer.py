"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017)."""

from typing import Any

from mmkd.registry import MODELS

from .schedule import ScheduleSetting
from .whole_maps import WholeMapMethod


@MODELS.register_module()
class AttentionTransfer(WholeMapMethod):
    """The student is active in the cells where the teacher is, whatever its channels.

    Source: Sergey Zagoruyko, Nikos Komodakis. Paying More Attention to Attention: Improving the
    Performance of Convolutional Neural Networks via Attention Transfer. ICLR 2017, section 3.1.
    The gradient-based form of section 3.2 is not built: it needs a backward pass through the
    frozen teacher and a second derivative of the student in every step.

    Args:
        loss_weight: Their beta; 1000 in the official code, on images of 32x32. A change
            counts by one over the cells of a map: begin where the logged loss is 0.1 to 1.
        attention: ``'sum'`` of |A| over the channels, ``'sum_p'`` of |A|^p, or ``'max_p'``.
        p: Exponent, >= 1.
        form: ``'mean_square'``, the official code's, or ``'norm'``, the paper's.
        stage: ``'backbone'``, its stages, or ``'features'``, what the heads see.
        kwargs: Others of :class:`WholeMapMethod`: ``levels``, ``aligner``, ``loss``, ``name``.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1000.0,
        attention: str = 'sum_p',
        p: float = 2.0,
        form: str = 'mean_square',
        stage: str = 'backbone',
        **kwargs: Any,
    ) -> None:
        formula = dict(type='mmkd.AttentionLoss', attention=attention, p=p, form=form)
        super().__init__(dict(type='mmkd.NoAdapter'), formula, loss_weight, stage=stage, **kwargs)
