"""Hints with adaptation layers (Chen et al., NIPS 2017)."""

from typing import Any

from mmkd.registry import MODELS

from .schedule import ScheduleSetting
from .whole_maps import WholeMapMethod


@MODELS.register_module()
class Hint(WholeMapMethod):
    """The student's whole maps, through a 1x1 convolution a level, approach the teacher's.

    Source: Guobin Chen, Wongun Choi, Xiang Yu, Tony Han, Manmohan Chandraker. Learning Efficient
    Object Detection Models with Knowledge Distillation. NIPS 2017, L_Hint; the idea is that of
    Romero et al., FitNets, ICLR 2015. The adapter stays where channels agree, as the paper found
    better. Deviations are in ``docs/methods/hint.md``.

    Args:
        loss_weight: Their gamma; 0.5 in the paper.
        norm: ``'l2'``, the squared error, or ``'l1'``.
        reduction: ``'mean'`` over all elements of a level, or ``'sum'`` over channels and cells
            and mean over images. Levels add up.
        kwargs: ``levels``, ``stage``, ``aligner``, ``loss``, ``name`` of :class:`WholeMapMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 0.5,
        norm: str = 'l2',
        reduction: str = 'mean',
        **kwargs: Any,
    ) -> None:
        formula = dict(type='mmkd.HintLoss', norm=norm, reduction=reduction)
        super().__init__(dict(type='mmkd.ConvAdapter'), formula, loss_weight, **kwargs)
