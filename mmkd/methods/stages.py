"""``alone_epochs``, until 0.2: distillation alone, then the task."""

from mmkd.observation import Batch
from mmkd.settings import check_number
from mmkd.utils import warn_renamed
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .schedule import ScheduleSetting


class FirstAlone(DistillMethod):
    """A method that can train alone in the first epochs, and no longer after them.

    It stops the task's losses, but not decay and momentum of what they train, as ``stages`` of
    :class:`mmkd.detectors.DistillDetector` do, which take its place in 0.2.

    A subclass hands :func:`only_until` to its base as ``loss_weight``, and sets
    :attr:`alone_epochs`.
    """

    alone_epochs = 0
    """Epochs in which the student's own losses count 0."""

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """0 in the first stage."""
        return 0.0 if batch.epoch < self.alone_epochs else super().task_loss_scale(name, batch)


def only_until(alone_epochs: int, loss_weight: ScheduleSetting) -> ScheduleSetting:
    """The schedule of a weight that ends with the first stage; without one the weight itself.

    Raises:
        ValueError: There is a first stage, and the weight is a schedule already.
    """
    check_number('alone_epochs', alone_epochs, '>= 0', whole=True)
    if not alone_epochs:
        return loss_weight
    warn_renamed('alone_epochs of a method', 'stages of the DistillDetector')
    if not isinstance(loss_weight, (int, float)):
        raise UserError(
            f'alone_epochs={alone_epochs} needs loss_weight to be a number, got {loss_weight}: the '
            'schedule is that of the two stages.'
        )
    return [dict(type='constant', value=loss_weight), dict(type='stop', begin=alone_epochs)]
