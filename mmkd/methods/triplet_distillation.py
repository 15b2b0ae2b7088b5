"""Triplet distillation (Feng et al., 2019)."""

from typing import Any

from mmkd.losses import TripletLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod


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
        kwargs: ``rows``, ``scope``, ``min_rows``, ``loss_weight``, ``name`` of
            :class:`EmbeddingMethod`.

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
        **kwargs: Any,
    ) -> None:
        loss = TripletLoss(low, high, mining, reduction, limit)
        super().__init__(loss, **kwargs)
