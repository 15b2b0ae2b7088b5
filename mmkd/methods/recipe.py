"""The default: what a user gets who names no method."""

from collections.abc import Callable

from mmengine.logging import MMLogger

from mmkd.observation import DetectorInfo
from mmkd.registry import MODELS

from .fgfi import FGFI
from .schedule import ScheduleSetting

FRACTION = 0.7
"""Of the task's loss that imitation begins with."""

WEIGHT = 2.0
"""Of each term of DIST, as :class:`DIST` has it by default."""


@MODELS.register_module()
class Recipe(FGFI):
    """The default for ``methods``: what helped, by the family of the detectors.

    Two one-stage detectors with anchors and several classes whose dense heads can be compared, as
    RetinaNet, get :class:`DIST` on them, with its own weights. Every other pair gets imitation near
    objects, :class:`FGFI` with two rules in place of settings. Its weight is chosen in the first 50
    iterations so that it begins as 0.7 of the task (:class:`AutoScale`), whatever the scale and the
    channels of the teacher's features. Where the detectors have other strides, the levels whose
    stride both have are compared, and the log says which. Objects are near by the anchors of the
    student's RPN or dense head, or by squares of 8 strides for heads of points. What was tried and
    what it gained is in ``docs/results.md``.

    Args:
        loss_weight: Factor on the weight that is found, or on DIST's, or a schedule of it.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(self, loss_weight: ScheduleSetting = 1.0, name: str | None = None) -> None:
        super().__init__(loss_weight, name=name)

    @classmethod
    def choose(cls, config: dict, student: DetectorInfo, comparable: Callable[[str], bool]) -> dict:
        """The config that a recipe stands for on a pair, which goes by the recipe's name.

        Args:
            config: The recipe's.
            student: Description of the student.
            comparable: Whether the two detectors' values of a field mean the same.
        """
        several = (student.num_classes or 0) > 1  # DIST relates the classes of a row
        if cls is not Recipe or not several or not comparable('dense'):
            return config
        if student.dense.boxes != 'deltas':
            return config
        name = config.get('name') or 'recipe'
        MMLogger.get_current_instance().info(f'{name}: DIST, as dense heads can be compared.')
        weights = dict(loss_weight=1.0, beta=WEIGHT, gamma=WEIGHT)
        return weights | config | dict(type='mmkd.DIST', on=['dense'], name=name)

    def set_auto_scale(self, setting: dict | None) -> None:
        """Has the weight chosen, by the rule above or as ``auto_scale`` of the config says."""
        # The weight that is found does not depend on the one that is configured.
        rule = {'fraction': FRACTION * (self.loss_weight or 1.0)}
        super().set_auto_scale(rule if setting is None else setting)

    def pair_levels(self, student: DetectorInfo, teacher: DetectorInfo) -> list[tuple[int, int]]:
        """Pairs of the levels whose strides both have, if any; else as every method does.

        Raises:
            ValueError: They do not fit.
        """
        first, second = student.strides, teacher.strides
        shared = [stride for stride in first if stride in second]
        if teacher.pairing is not None or first == second or not shared:
            return super().pair_levels(student, teacher)
        MMLogger.get_current_instance().info(
            f'{self.name}: the student has strides {list(first)}, the teacher {list(second)}; '
            f'compares the levels of strides {shared}, which both have.'
        )
        return [(first.index(stride), second.index(stride)) for stride in shared]
