"""Neuron selectivity transfer (Huang and Wang, 2017)."""

from typing import Any

from mmkd.registry import MODELS

from .schedule import ScheduleSetting
from .whole_maps import WholeMapMethod


@MODELS.register_module()
class NST(WholeMapMethod):
    """The student's channels, as vectors over the cells, are distributed as the teacher's.

    Source: Zehao Huang, Naiyan Wang. Like What You Like: Knowledge Distill via Neuron Selectivity
    Transfer. 2017, section 4.

    Args:
        loss_weight: Half of their lambda, 50 for the linear and polynomial kernels, 100 for the
            Gaussian.
        kernel: ``'polynomial'``, ``'linear'`` or ``'gaussian'``.
        kwargs: ``levels``, ``stage``, ``aligner``, ``loss``, ``name`` of :class:`WholeMapMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 25.0,
        kernel: str = 'polynomial',
        **kwargs: Any,
    ) -> None:
        formula = dict(type='mmkd.SelectivityLoss', kernel=kernel)
        super().__init__(dict(type='mmkd.NoAdapter'), formula, loss_weight, **kwargs)
