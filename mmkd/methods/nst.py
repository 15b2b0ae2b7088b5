"""Neuron selectivity transfer (Huang and Wang, 2017)."""

from collections.abc import Sequence

from mmkd.registry import MODELS

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class NST(FeatureMethod):
    """The student's channels, as vectors over the cells, are distributed as the teacher's.

    Source: Zehao Huang, Naiyan Wang. Like What You Like: Knowledge Distill via Neuron Selectivity
    Transfer. 2017, section 4.

    Args:
        loss_weight: Half of their lambda, 50 for the linear and polynomial kernels, 100 for the
            Gaussian.
        kernel: ``'polynomial'``, ``'linear'`` or ``'gaussian'``.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        stage: ``'features'``, what the heads see, or ``'backbone'``, its stages.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`SelectivityLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 25.0,
        kernel: str = 'polynomial',
        levels: Sequence[Sequence[int]] | None = None,
        stage: str = 'features',
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        adapter = dict(type='mmkd.NoAdapter')
        super().__init__(
            loss_weight,
            name,
            stage=stage,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=part('loss', loss, type='mmkd.SelectivityLoss', kernel=kernel),
        )
