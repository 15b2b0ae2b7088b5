"""Hints with adaptation layers (Chen et al., NIPS 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.losses import HintLoss
from mmkd.modules import ConvAdapter, pair_levels, resize_like
from mmkd.observation import Batch, Layout, Observation
from mmkd.registry import MODELS

from .base import DistillMethod
from .schedule import ScheduleSetting

STAGES = ('features', 'backbone')


@MODELS.register_module()
class Hint(DistillMethod):
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
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        if stage not in STAGES:
            raise ValueError(f'stage must be one of {STAGES}, got {stage!r}.')
        self.loss = HintLoss(self.loss_weight, norm, reduction)
        self.levels = levels
        self.stage = stage
        self.student_reads = self.teacher_reads = frozenset({stage})

    def setup(self, student: Layout, teacher: Layout) -> None:
        """Pairs the levels and builds one 1x1 adaptation layer a pair."""
        prefix = 'backbone_' if self.stage == 'backbone' else ''
        strides = [getattr(side, f'{prefix}strides') for side in (student, teacher)]
        channels = [getattr(side, f'{prefix}channels') for side in (student, teacher)]
        self.pairs = pair_levels(strides[0], strides[1], self.levels, teacher.pairing)
        self.adapters = nn.ModuleList(
            ConvAdapter(channels[0][i], channels[1][j]) for i, j in self.pairs
        )

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>``."""
        ours, theirs = (getattr(side, self.stage) for side in (student, teacher))
        targets = [theirs[j] for _, j in self.pairs]
        adapted = [
            adapter(resize_like(ours[i], target))
            for adapter, (i, _), target in zip(self.adapters, self.pairs, targets, strict=True)
        ]
        return {f'loss_{self.name}': self.loss(student=adapted, teacher=targets)}
