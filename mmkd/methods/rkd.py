"""Relational knowledge distillation (Park et al., CVPR 2019)."""

from typing import Any

from mmkd.losses import RelationLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod


@MODELS.register_module()
class RKD(EmbeddingMethod):
    """Objects lie to each other, in distances and angles, as in the teacher's embedding.

    Source: Wonpyo Park, Dongju Kim, Yan Lu, Minsu Cho. Relational Knowledge Distillation. CVPR
    2019, section 3.2; weights of its classifiers.

    Args:
        distance_weight: lambda_D, >= 0.
        angle_weight: lambda_A, >= 0.
        kwargs: ``rows``, ``scope``, ``min_rows``, ``loss_weight``, ``name`` of
            :class:`EmbeddingMethod`.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        distance_weight: float = 25.0,
        angle_weight: float = 50.0,
        **kwargs: Any,
    ) -> None:
        loss = RelationLoss(distance_weight, angle_weight)
        super().__init__(loss, **kwargs)
