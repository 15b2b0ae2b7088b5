"""Knowledge of selected neurons (Luo et al., AAAI 2016)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmkd.losses.functional import constant
from mmkd.observation import DetectorInfo, Observation
from mmkd.registry import MODELS
from mmkd.utils.errors import UserError, UserFileNotFoundError

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class NeuronSelection(FeatureMethod):
    """A hint on those channels of the teacher alone that tell the classes.

    Source: Ping Luo, Zhenyao Zhu, Ziwei Liu, Xiaogang Wang, Xiaoou Tang. Face Model Compression by
    Distilling Knowledge from Neurons. AAAI 2016. ``tools/select_neurons.py`` chooses the channels.

    Args:
        channels: Of each teacher level that is compared, indices; or the path of the JSON file that
            the tool wrote.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        reduction: ``'mean'`` over all elements of a level, or ``'half_sum'``, the paper's: half the
            sum, averaged over images.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`HintLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
        FileNotFoundError: There is no such file.
    """

    def __init__(
        self,
        channels: str | Sequence[Sequence[int]] = (),
        loss_weight: ScheduleSetting = 1.0,
        reduction: str = 'mean',
        levels: Sequence[Sequence[int]] | None = None,
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            loss_weight,
            name,
            aligner=part('aligner', aligner, type='mmkd.FeatureAligner', levels=levels),
            loss=part('loss', loss, type='mmkd.HintLoss', reduction=reduction),
        )
        self.channels = _read(channels)

    def setup(self, student: DetectorInfo, teacher: DetectorInfo) -> None:
        """Builds adapters to the chosen channels.

        Raises:
            ValueError: There is no list for a level, or one names a channel that is not there.
        """
        widths = teacher.features.channels
        if len(self.channels) != len(widths):
            raise UserError(
                f'channels has lists for {len(self.channels)} levels, the teacher has '
                f'{len(widths)}: write them with tools/select_neurons.py for this teacher.'
            )
        for level, (chosen, width) in enumerate(zip(self.channels, widths, strict=True)):
            if not chosen or min(chosen) < 0 or max(chosen) >= width:
                raise UserError(
                    f'channels[{level}] must name some of 0 .. {width - 1}, got {chosen}.'
                )
        counts = tuple(len(chosen) for chosen in self.channels)
        features = replace(teacher.features, channels=counts)
        super().setup(student, replace(teacher, fields={**teacher.fields, 'features': features}))

    def aligned(
        self, student: Observation, teacher: Observation
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The student's adapted maps and the chosen channels of the teacher's, pair by pair."""
        adapted, targets = super().aligned(student, teacher)
        chosen = [self.channels[j] for _, j in self.pairs]
        return adapted, [
            target.index_select(1, constant(index, target, torch.long))
            for target, index in zip(targets, chosen, strict=True)
        ]


def _read(channels: str | Sequence[Sequence[int]]) -> list[list[int]]:
    if not isinstance(channels, (str, Sequence)):
        raise UserError(f'channels must be a path or one list per level, got {channels!r}.')
    if not isinstance(channels, str):
        return [list(level) for level in channels]
    path = Path(channels)
    if not path.is_file():
        raise UserFileNotFoundError(
            f'channels={channels!r}: there is no such file; write it with tools/select_neurons.py.'
        )
    try:
        return [[int(index) for index in level] for level in json.loads(path.read_text('utf-8'))]
    except (ValueError, TypeError) as error:
        raise UserError(
            f'channels={channels!r} is not a JSON list of lists of channels ({error}): write it '
            'with tools/select_neurons.py.'
        ) from error
