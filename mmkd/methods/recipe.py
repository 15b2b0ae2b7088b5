"""The default: what a user gets who names no method."""

from mmengine.logging import MMLogger
from torch import Tensor

from mmkd.observation import Batch, DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError

from .composite import CompositeMethod
from .cross_kd import ON, CrossKD
from .fgfi import FGFI
from .schedule import ScheduleSetting

FEATURES_WEIGHT = 0.03
HEAD_WEIGHT = 3.0


@MODELS.register_module()
class Recipe(CompositeMethod):
    """FGFI on the features and CrossKD on the heads: the default where ``methods`` is left out.

    What it is made of and its constants were chosen by the studies in ``docs/results.md``. It fits
    itself to the pair: the features are compared near objects, by the anchors of the student's RPN
    or dense head, or by squares where there are none; the teacher's head reads the student's
    features where both have RoI heads or dense heads that can be compared, and the log says why
    where they cannot.

    Args:
        loss_weight: Factor on both terms together, or a schedule.
        name: Name in the log and the checkpoint; the terms' names begin with it.

    Raises:
        ValueError: An argument is out of range.
    """

    has_masks = True

    def __init__(self, loss_weight: ScheduleSetting = 1.0, name: str | None = None) -> None:
        super().__init__(loss_weight, name)
        self.use_parts({'features': FGFI(FEATURES_WEIGHT, name=f'{self.name}_features')})

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Sets up the term on features, and the one on heads where they can be compared."""
        levels = _common_levels(student, teacher)
        features = FGFI(FEATURES_WEIGHT, levels=levels, name=f'{self.name}_features')
        head, said = self._head(student, teacher)
        self.use_parts({'features': features} | ({} if head is None else {'head': head}))
        where = '' if levels is None else f' (levels {levels}, whose strides both have)'
        MMLogger.get_current_instance().info(f'{self.name}: FGFI on features{where}, {said}')
        super().setup(student, teacher)

    def _head(self, student: DetectorInfo, teacher: DetectorInfo) -> tuple[CrossKD | None, str]:
        """The term on heads, and what the log says of it."""
        for on in ON:
            if on not in student.fields or on not in teacher.fields:
                continue
            head = CrossKD(on, loss_weight=HEAD_WEIGHT, name=f'{self.name}_head')
            try:
                for field in sorted(head.teacher_fields):
                    teacher.check(field)
                head.setup(student, teacher)
            except UserError as error:
                return None, f'and nothing on the heads: {error}'
            return head, f'CrossKD on {on}'
        return None, 'and nothing on the heads: the two offer none of one kind'

    def masks(self, student: Observation, teacher: Observation, batch: Batch) -> list[Tensor]:
        """Where features are compared."""
        return self.parts['features'].masks(student, teacher, batch)


def _common_levels(student: DetectorInfo, teacher: DetectorInfo) -> list[list[int]] | None:
    """Pairs of the levels whose strides both have; None where all pair, or none does."""
    first, second = student.strides, teacher.strides
    if first == second or teacher.pairing is not None:
        return None
    shared = [stride for stride in first if stride in second]
    return [[first.index(stride), second.index(stride)] for stride in shared] or None
