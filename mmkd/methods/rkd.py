"""Relational knowledge distillation (Park et al., CVPR 2019)."""

from mmkd.losses import RelationLoss
from mmkd.registry import MODELS

from .embeddings import EmbeddingMethod
from .schedule import ScheduleSetting


@MODELS.register_module()
class RKD(EmbeddingMethod):
    """Objects lie to each other, in distances and angles, as in the teacher's embedding.

    Source: Wonpyo Park, Dongju Kim, Yan Lu, Minsu Cho. Relational Knowledge Distillation. CVPR
    2019, section 3.2; weights of its classifiers.

    Args:
        distance_weight: lambda_D, >= 0.
        angle_weight: lambda_A, >= 0.
        rows: ``'objects'``, each the mean of its positive RoIs, or positive ``'rois'``.
        scope: ``'batch'``, or ``'image'``: relations between objects of one image.
        min_rows: Rows from which on there is something to relate.
        loss_weight: Factor on both terms, >= 0, or a schedule.
        name: Name in the log.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        distance_weight: float = 25.0,
        angle_weight: float = 50.0,
        rows: str = 'objects',
        scope: str = 'batch',
        min_rows: int = 3,
        loss_weight: ScheduleSetting = 1.0,
        name: str | None = None,
    ) -> None:
        loss = RelationLoss(distance_weight, angle_weight)
        super().__init__(loss_weight, name, rows=rows, scope=scope, min_rows=min_rows, loss=loss)
