"""DarkRank (Chen et al., AAAI 2018)."""

from mmkd.losses import RankingLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class DarkRank(EmbeddingMethod):
    """The nearest objects of each object are ranked as in the teacher's embedding.

    Source: Yuntao Chen, Naiyan Wang, Zhaoxiang Zhang. DarkRank: Accelerating Deep Metric Learning
    via Cross Sample Similarities Transfer. AAAI 2018, section 3.

    Args:
        soft: Whether distributions over all orders are compared, or the likelihood of the teacher's
            order.
        alpha: Scale of the scores, > 0.
        beta: Exponent of the distances, > 0.
        length: How many nearest rows are ranked, >= 2; at most 6 with ``soft``.
        rows: ``'objects'``, each the mean of its positive RoIs, or positive ``'rois'``.
        scope: ``'batch'`` or ``'image'``.
        min_rows: Rows from which on there is something to rank.
        loss_weight: Factor on the loss, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        soft: bool = True,
        alpha: float = 3.0,
        beta: float = 3.0,
        length: int = 4,
        rows: str = 'objects',
        scope: str = 'batch',
        min_rows: int = 3,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        loss = RankingLoss(soft, alpha, beta, length)
        super().__init__(loss_weight, name, rows=rows, scope=scope, min_rows=min_rows, loss=loss)
