"""Triplet distillation (Feng et al., 2019)."""

from mmkd.losses import TripletLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class TripletDistillation(EmbeddingMethod):
    """Objects of a class are nearer to each other than to others, by the margin the teacher sees.

    Source: Yushu Feng, Huan Wang, Roland Hu, Daniel T. Yi. Triplet Distillation for Deep Face
    Recognition. 2019, section 3. Identity is the class.

    Args:
        low: Smallest margin, m_min >= 0.
        high: Largest margin, m_max >= ``low``.
        mining: ``'all'`` triplets, or each row's ``'hardest'`` by the student's distances.
        reduction: ``'mean'`` over all triplets, or over the ``'active'`` ones.
        limit: Most triplets of a batch, or image.
        rows: ``'objects'``, each the mean of its positive RoIs, or positive ``'rois'``.
        scope: ``'batch'`` or ``'image'``.
        min_rows: Rows from which on there is something to relate.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        low: float = 0.2,
        high: float = 0.5,
        mining: str = 'all',
        reduction: str = 'mean',
        limit: int = 4096,
        rows: str = 'objects',
        scope: str = 'batch',
        min_rows: int = 3,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        loss = TripletLoss(low, high, mining, reduction, limit)
        super().__init__(loss_weight, name, rows=rows, scope=scope, min_rows=min_rows, loss=loss)
