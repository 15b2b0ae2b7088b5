"""Imitation of features: place, region and normalization chosen one by one."""

from collections.abc import Sequence

from mmkd.registry import MODELS

from .feature import FeatureMethod, part
from .schedule import ScheduleSetting


@MODELS.register_module()
class Imitation(FeatureMethod):
    """The student's features approach the teacher's: where, in which cells and in which units.

    Source: Weihan Cao, Yifan Zhang, Jianfei Gao, Anda Cheng, Ke Cheng, Jian Cheng. PKD: General
    Distillation Framework for Object Detectors via Pearson Correlation Coefficient. NeurIPS 2022,
    for the standardized whole maps that are the default; the regions are those of Wang et al.
    (CVPR 2019) and of the teacher. What is chosen here is in ``docs/methods/imitation.md``.

    Args:
        loss_weight: Factor on half the mean squared error, or a schedule; 6 in PKD for Faster
            R-CNN, 10 for one-stage detectors.
        stage: ``'features'``, what the heads see, ``'backbone'``, its stages, or ``'roi_head'``,
            the pooled features of the RoIs that the student sampled.
        region: Config of what is compared: ``dict(type='mmkd.ImitationRegion')``, near objects,
            ``dict(type='mmkd.ConfidenceRegion')``, weighted by the teacher's confidence,
            ``dict(type='mmkd.ProposalCells')``, in proposals; None: all cells alike.
        normalize: ``'none'``, ``'standardize'``, per channel over the compared cells, or
            ``'batch_norm'``, a batch norm without parameters over all cells; on both sides.
        levels: ``[[student index, teacher index], ...]``, which overrides the pairing by stride.
        aligner: Changes or replaces the :class:`FeatureAligner`, a 1x1 convolution a level.
        loss: Changes or replaces the :class:`CellLoss`.
        name: Name in the log and the checkpoint.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        loss_weight: ScheduleSetting = 6.0,
        stage: str = 'features',
        region: dict | None = None,
        normalize: str = 'standardize',
        levels: Sequence[Sequence[int]] | None = None,
        aligner: dict | None = None,
        loss: dict | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            loss_weight,
            name,
            stage=stage,
            aligner=part('aligner', aligner, type='mmkd.FeatureAligner', levels=levels),
            region=None if region is None else part('region', region, type='mmkd.ImitationRegion'),
            loss=part('loss', loss, type='mmkd.CellLoss'),
            normalize=normalize,
        )
