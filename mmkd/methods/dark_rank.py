"""DarkRank (Chen et al., AAAI 2018)."""

from typing import Any

from mmkd.losses import RankingLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod


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
        kwargs: ``rows``, ``scope``, ``min_rows``, ``loss_weight``, ``name`` of
            :class:`EmbeddingMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        soft: bool = True,
        alpha: float = 3.0,
        beta: float = 3.0,
        length: int = 4,
        **kwargs: Any,
    ) -> None:
        loss = RankingLoss(soft, alpha, beta, length)
        super().__init__(loss, **kwargs)
