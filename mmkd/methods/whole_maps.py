"""What methods on whole maps share that need no region."""

from collections.abc import Sequence

from mmkd.utils.types import Entries

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


class WholeMapMethod(FeatureMethod):
    """Compares whole maps through one kind of adaptation layer under one formula.

    Args:
        adapter: Config of the adaptation layer; a subclass chooses it.
        formula: Config of the loss, with its constants; a subclass chooses it.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        stage: ``'features'``, what the heads see (neck outputs, or the backbone's where there is
            no neck), or ``'backbone'``, its stages.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the formula.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        adapter: Entries,
        formula: Entries,
        /,
        loss_weight: ScheduleSetting = 1.0,
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
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=part('loss', loss, **formula),
        )
