"""The whole objective of Chen et al., NIPS 2017."""

import math
from collections.abc import Sequence

from torch import Tensor, nn

from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_arguments

from .base import DistillMethod
from .bounded_regression import BoundedRegression
from .hint import Hint
from .schedule import ScheduleSetting
from .soft_classification import SoftClassification


@MODELS.register_module()
class Chen2017(DistillMethod):
    """L = L_RPN + L_RCN + gamma L_Hint: soft classes and bounded boxes in both heads, and hints.

    Source: Guobin Chen, Wongun Choi, Xiang Yu, Tony Han, Manmohan Chandraker. Learning Efficient
    Object Detection Models with Knowledge Distillation. NIPS 2017. It is the sum of
    :class:`SoftClassification`, :class:`BoundedRegression` and :class:`Hint` with one set of
    defaults; ``mu=1``, ``nu=0`` and ``gamma=0`` leave one of them out, for ablations.

    Args:
        mu: Share of the hard classification loss, in [0, 1], or a schedule.
        nu: Weight of the bounded regression, or a schedule; 0.5 in the paper.
        gamma: Weight of the hint, or a schedule; 0.5 in the paper.
        temperature: T of the soft classification; 1 in the paper.
        background_weight: Weight of the background's column; 1.5 in the paper.
        class_weights: Weights of all classes, the background last; replaces the former.
        margin: m of the bounded regression.
        on: Heads of the first two terms: ``'roi_head'``, ``'roi_stages'``, those of a cascade,
            ``'rpn'``, ``'dense'``, that of a one-stage detector.
        hint: More arguments of :class:`Hint` (``stage``, ``norm``, ``reduction``, ``levels``).
        loss_weight: Factor on the three terms together, or a schedule; the hard losses give up
            what the soft ones take, as in :class:`SoftClassification`.
        name: Name in the log and the checkpoint; the terms' names begin with it.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        mu: ScheduleSetting = 0.5,
        nu: ScheduleSetting = 0.5,
        gamma: ScheduleSetting = 0.5,
        temperature: float = 1.0,
        background_weight: float = 1.5,
        class_weights: Sequence[float] | None = None,
        margin: float = 0.0,
        on: Sequence[str] = ('roi_head', 'rpn'),
        hint: dict | None = None,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(loss_weight, name)
        soft = SoftClassification(
            mu, background_weight, class_weights, temperature, on, name=f'{self.name}_soft'
        )
        bounded = BoundedRegression(nu, margin, on, name=f'{self.name}_bounded')
        check_arguments('hint', {} if hint is None else hint, Hint, without=('loss_weight', 'name'))
        guide = Hint(gamma, **(hint or {}), name=f'{self.name}_hint')
        self._active = [part for part in (soft, bounded, guide) if part.active]
        short = {soft: 'soft', bounded: 'bounded', guide: 'hint'}
        self.parts = nn.ModuleDict({short[part]: part for part in self._active})
        self.student_fields = frozenset().union(*(part.student_fields for part in self._active))
        self.teacher_fields = frozenset().union(*(part.teacher_fields for part in self._active))

    @property
    def active(self) -> bool:
        """Whether any term can ever count."""
        return super().active and bool(self._active)

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Sets up each term."""
        for part in self._active:
            part.setup(student, teacher)

    def init_weights(self) -> None:
        """Initialises the hint's adapters."""
        for part in self._active:
            part.init_weights()

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """The factor on the hard classification losses, mu at full weight."""
        scale = math.prod(part.task_loss_scale(name, batch) for part in self._active)
        share = self.share(batch)
        return 1 - share + share * scale

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns the losses of the terms, and their scheduled weights to watch."""
        found = {}
        for part in self._active:
            for key, value in part(student, teacher, batch).items():
                found[key] = value * self.loss_weight if 'loss' in key else value
        return found
