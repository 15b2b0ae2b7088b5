"""Flow of the solution procedure (Yim et al., CVPR 2017)."""

from collections.abc import Sequence

from torch import Tensor

from mmkd.losses import FSPLoss
from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError

from .feature import STAGES
from .schedule import ScheduleSetting
from .stages import FirstAlone, only_until


@MODELS.register_module()
class FSP(FirstAlone):
    """The student's maps of two depths are related as the teacher's are.

    Source: Junho Yim, Donggyu Joo, Jihoon Bae, Junmo Kim. A Gift from Knowledge Distillation: Fast
    Optimization, Network Minimization and Transfer Learning. CVPR 2017, section 3. The channels of
    a pair must agree with the teacher's, the sizes need not.

    Args:
        loss_weight: lambda of every pair, >= 0, or a schedule.
        maps: ``[[index, index], ...]`` of the maps of a pair, in student and teacher; None: each
            with the next.
        reduction: ``'mean'`` divides a pair's squared distance by the entries of its matrix;
            ``'sum'`` is the paper's formula.
        alone_epochs: Epochs in which only the matrices are trained; until 0.2: write ``stages`` of
            the DistillDetector.
        stage: ``'features'``, what the heads see, or ``'backbone'``, its stages.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1.0,
        maps: Sequence[Sequence[int]] | None = None,
        reduction: str = 'mean',
        alone_epochs: int = 0,
        stage: str = 'features',
        name: str | None = None,
    ) -> None:
        super().__init__(only_until(alone_epochs, loss_weight), name)
        self.alone_epochs = alone_epochs
        check_choice('stage', stage, STAGES)
        self.stage = stage
        self.student_fields = self.teacher_fields = frozenset({stage})
        if maps is not None and (isinstance(maps, str) or not isinstance(maps, Sequence)):
            raise UserError(f'maps must be a list [[index, index], ...], got {maps!r}.')
        self.setting = maps
        self.loss = FSPLoss(self.loss_weight, reduction)

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Chooses the pairs of maps.

        Raises:
            ValueError: Channels differ, or an index does not exist.
        """
        infos = [getattr(side, self.stage) for side in (student, teacher)]
        own, target = (list(info.channels) for info in infos)
        count = min(len(own), len(target))
        chosen = [[i, i + 1] for i in range(count - 1)] if self.setting is None else self.setting
        self.maps = [_checked(pair, count) for pair in chosen]
        if not self.maps:
            raise UserError(
                f'{self.name} compares pairs of maps, but {self.stage!r} has one: set '
                "stage='backbone'."
            )
        for index in sorted({index for pair in self.maps for index in pair}):
            if own[index] != target[index]:
                raise UserError(
                    f'{self.name} needs equal channels: {self.stage} has {own} in the student and '
                    f'{target} in the teacher. Choose other maps, or a method with adapters.'
                )
        self.pairs = [(i, i) for i in sorted({i for pair in self.maps for i in pair})]
        self.target_strides = [infos[1].strides[i] for i, _ in self.pairs]

    def forward(
        self, student: Observation, teacher: Observation, batch: Batch
    ) -> dict[str, Tensor]:
        """Returns ``loss_<name>``."""
        sides: list[Sequence[Tensor]] = [getattr(side, self.stage) for side in (student, teacher)]
        own, target = ([(maps[i], maps[j]) for i, j in self.maps] for maps in sides)
        return {f'loss_{self.name}': self.loss(student=own, teacher=target)}


def _checked(pair: Sequence[int], count: int) -> tuple[int, int]:
    known = range(count)
    if not isinstance(pair, Sequence) or len(pair) != 2 or any(i not in known for i in pair):
        raise UserError(
            f'maps has {pair!r}: write [index, index], two of 0 to {count - 1}, the maps that both '
            'detectors have.'
        )
    return pair[0], pair[1]
