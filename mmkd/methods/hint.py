"""Hints with adaptation layers (Chen et al., NIPS 2017)."""

from collections.abc import Sequence

from mmkd.registry import MODELS

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class Hint(FeatureMethod):
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
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        stage: ``'features'``, what the heads see (neck outputs, or the backbone's where there is
            no neck), or ``'backbone'``, its stages.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`HintLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 0.5,
        norm: str = 'l2',
        reduction: str = 'mean',
        levels: Sequence[Sequence[int]] | None = None,
        stage: str = 'features',
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            loss_weight,
            name,
            stage=stage,
            aligner=part('aligner', aligner, type='mmkd.FeatureAligner', levels=levels),
            loss=part('loss', loss, type='mmkd.HintLoss', norm=norm, reduction=reduction),
        )
