"""Channel-wise distillation (Shu et al., ICCV 2021)."""

from collections.abc import Sequence

from mmkd.registry import MODELS

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class CWD(FeatureMethod):
    """Each channel's distribution over the cells approaches the teacher's.

    Source: Changyong Shu, Yifan Liu, Jianfei Gao, Zheng Yan, Chunhua Shen. Channel-wise Knowledge
    Distillation for Dense Prediction. ICCV 2021, section 3.2.

    Args:
        loss_weight: Their alpha; 5 in the official code for detectors.
        temperature: tau > 0.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        stage: ``'features'``, what the heads see, or ``'backbone'``, its stages.
        aligner: Changes or replaces the :class:`FeatureAligner`.
        loss: Changes or replaces the :class:`ChannelWiseLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 5.0,
        temperature: float = 1.0,
        levels: Sequence[Sequence[int]] | None = None,
        stage: str = 'features',
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        adapter = dict(type='mmkd.ChannelAdapter')
        super().__init__(
            loss_weight,
            name,
            stage=stage,
            aligner=part(
                'aligner', aligner, type='mmkd.FeatureAligner', adapter=adapter, levels=levels
            ),
            loss=part('loss', loss, type='mmkd.ChannelWiseLoss', temperature=temperature),
        )
