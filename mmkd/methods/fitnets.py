"""FitNets: hints through a convolutional regressor (Romero et al., ICLR 2015)."""

from typing import Any

from mmkd.registry import MODELS
from mmkd.settings import check_choice
from mmkd.utils.errors import UserError

from .schedule import ScheduleSetting
from .stages import FirstAlone, only_until
from .whole_maps import WholeMapMethod

_REDUCTIONS = {'mse': 'mean', 'paper': 'half_sum', 'code': 'half_channels'}


@MODELS.register_module()
class FitNets(FirstAlone, WholeMapMethod):
    """The student's guided map, through a regressor, approaches the teacher's hint.

    Source: Adriana Romero, Nicolas Ballas, Samira Ebrahimi Kahou, Antoine Chassang, Carlo Gatta,
    Yoshua Bengio. FitNets: Hints for Thin Deep Nets. ICLR 2015, equation 3. The second stage is
    the task with :class:`KD`, whose ``loss_weight`` is a schedule that decays.

    Args:
        loss_weight: Factor on the loss, >= 0, or a schedule.
        reduction: ``'mse'``, the mean over all elements of a level; ``'paper'``, half the sum over
            channels and cells, averaged over images; ``'code'``, half the sum over channels,
            averaged over images and cells.
        regressor: ``'same'``, a 1x1 convolution after resizing to the teacher's grid, or
            ``'valid'``, the paper's convolution without padding.
        kernel_size: Of the valid regressor: H_S - H_T + 1 cells.
        alone_epochs: Epochs in which only the hints are trained; until 0.2: write ``stages`` of the
            DistillDetector.
        name: Name in the log and the checkpoint.
        kwargs: ``levels``, ``stage``, ``aligner``, ``loss`` of :class:`WholeMapMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 1.0,
        reduction: str = 'mse',
        regressor: str = 'same',
        kernel_size: int = 1,
        alone_epochs: int = 0,
        name: str | None = 'fitnets',
        **kwargs: Any,
    ) -> None:
        check_choice('reduction', reduction, tuple(_REDUCTIONS))
        check_choice('regressor', regressor, ('same', 'valid'))
        if regressor == 'same' and kernel_size != 1:
            raise UserError(
                f"kernel_size={kernel_size} is that of the valid regressor: set regressor='valid'."
            )
        kind = 'mmkd.ValidConvAdapter' if regressor == 'valid' else 'mmkd.ConvAdapter'
        adapter = dict(type=kind, kernel_size=kernel_size)
        super().__init__(
            adapter,
            dict(type='mmkd.HintLoss', reduction=_REDUCTIONS[reduction]),
            only_until(alone_epochs, loss_weight),
            name=name,
            **kwargs,
        )
        self.alone_epochs = alone_epochs
