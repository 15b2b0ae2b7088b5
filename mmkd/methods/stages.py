"""Trainings in two stages: distillation alone, then the task."""

from mmkd.observation import Batch
from mmkd.settings import check_number
from mmkd.utils.errors import UserError

from .base import DistillMethod
from .schedule import ScheduleSetting


class FirstAlone(DistillMethod):
    """A method that trains alone in the first epochs, and no longer after them.

    Args:
        loss_weight: Factor on the loss, or a schedule; with ``alone_epochs`` a number.
        alone_epochs: Epochs of the first stage, in which the student's own losses count 0; 0: the
            method runs beside them all along.
        name: Name in the log and the checkpoint.
        kwargs: Of the method.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting,
        name: str | None,
        *,
        alone_epochs: int,
        **kwargs: object,
    ) -> None:
        check_number('alone_epochs', alone_epochs, '>= 0', whole=True)
        self_weight: ScheduleSetting = loss_weight
        if alone_epochs:
            if not isinstance(loss_weight, (int, float)):
                raise UserError(
                    f'alone_epochs={alone_epochs} needs loss_weight to be a number, got '
                    f'{loss_weight}: the schedule is that of the two stages.'
                )
            self_weight = [
                dict(type='constant', value=loss_weight),
                dict(type='stop', begin=alone_epochs),
            ]
        super().__init__(self_weight, name, **kwargs)  # type: ignore[call-arg]
        self.alone_epochs = alone_epochs

    def task_loss_scale(self, name: str, batch: Batch) -> float:
        """0 in the first stage."""
        return 0.0 if batch.epoch < self.alone_epochs else super().task_loss_scale(name, batch)
