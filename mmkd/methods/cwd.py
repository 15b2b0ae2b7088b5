"""Channel-wise distillation (Shu et al., ICCV 2021)."""

from typing import Any

from mmkd.registry import MODELS

from .schedule import ScheduleSetting
from .whole_maps import WholeMapMethod


@MODELS.register_module()
class CWD(WholeMapMethod):
    """Each channel's distribution over the cells approaches the teacher's.

    Source: Changyong Shu, Yifan Liu, Jianfei Gao, Zheng Yan, Chunhua Shen. Channel-wise Knowledge
    Distillation for Dense Prediction. ICCV 2021, section 3.2.

    Args:
        loss_weight: Their alpha; 5 in the official code for detectors.
        temperature: tau > 0.
        kwargs: ``levels``, ``stage``, ``aligner``, ``loss``, ``name`` of :class:`WholeMapMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 5.0,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        formula = dict(type='mmkd.ChannelWiseLoss', temperature=temperature)
        super().__init__(dict(type='mmkd.ChannelAdapter'), formula, loss_weight, **kwargs)
