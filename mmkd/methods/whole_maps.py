"""What methods on whole maps share that need no region."""

from collections.abc import Sequence

from mmkd.utils.types import Entries

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


class WholeMapMethod(FeatureMethod):
    """Compares whole maps through one kind of adaptation layer under one formula.

    Args:
        constants: Of the formula; a subclass names them.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        stage: ``'features'``, what the heads see, or ``'backbone'``, its stages.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the formula.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    adapter: str
    """Registered type of the adaptation layer."""

    formula: str
    """Registered type of the loss."""

    def __init__(
        self,
        constants: Entries,
        /,
        loss_weight: ScheduleSetting = 1.0,
        levels: Sequence[Sequence[int]] | None = None,
        stage: str = 'features',
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        adapter = dict(type=self.adapter)
        super().__init__(
            loss_weight,
            name,
            stage=stage,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=part('loss', loss, type=self.formula, **constants),
        )
