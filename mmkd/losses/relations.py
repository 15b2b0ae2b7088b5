"""Losses of relations between rows as registered modules: RKD, DarkRank, triplets."""

from torch import Tensor, nn

from mmkd.registry import MODELS
from mmkd.settings import check_choice, check_flag, check_number, check_numbers

from .functional import angle_error, distance_error, ranking_error, triplet_error


class _RowsLoss(nn.Module):
    """The error of the relations between rows."""

    def error(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Scalar from what :meth:`forward` is given."""
        raise NotImplementedError

    def forward(self, *, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Rows to a scalar.

        Args:
            student: (N, D_S).
            teacher: (N, D_T); no gradient flows into them.
            labels: (N,), who is alike; read by triplets only.
        """
        return self.error(student, teacher.detach(), labels)


@MODELS.register_module()
class RelationLoss(_RowsLoss):
    """lambda_D L_D + lambda_A L_A: relative distances of pairs and angles of triples of rows.

    Source: Park, Kim, Lu, Cho. Relational Knowledge Distillation. CVPR 2019, equations 5 to 9;
    means over all N^2 pairs and N^3 triples, as in the official code.

    Args:
        distance_weight: lambda_D >= 0.
        angle_weight: lambda_A >= 0.
    """

    def __init__(self, distance_weight: float = 25.0, angle_weight: float = 50.0) -> None:
        super().__init__()
        check_numbers('>= 0', distance_weight=distance_weight, angle_weight=angle_weight)
        self.distance_weight, self.angle_weight = distance_weight, angle_weight

    def error(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Scalar; a part of weight 0 is not computed."""
        total = student.sum() * 0
        if self.distance_weight:
            total = total + self.distance_weight * distance_error(student, teacher)
        if self.angle_weight:
            total = total + self.angle_weight * angle_error(student, teacher)
        return total


@MODELS.register_module()
class RankingLoss(_RowsLoss):
    """The order of each row's nearest rows, as the teacher has it.

    Source: Chen, Wang, Zhang. DarkRank: Accelerating Deep Metric Learning via Cross Sample
    Similarities Transfer. AAAI 2018, equations 5 to 8.

    Args:
        soft: Distributions over all orders, or (False) the likelihood of the teacher's.
        alpha: Scale of the scores, > 0.
        beta: Exponent of the distances, > 0.
        length: Candidates of a query, the nearest by the teacher; at most 6 with ``soft``.
    """

    def __init__(
        self, soft: bool = True, alpha: float = 3.0, beta: float = 3.0, length: int = 4
    ) -> None:
        super().__init__()
        check_flag('soft', soft)
        check_numbers('> 0', alpha=alpha, beta=beta)
        check_number('length', length, '>= 2', whole=True)
        if soft:
            remedy = 'the soft form looks at all length! orders; use soft=False for longer lists'
            check_number('length', length, '[2, 6]', whole=True, remedy=remedy)
        self.soft, self.alpha, self.beta, self.length = soft, alpha, beta, length

    def error(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Scalar, the mean over the rows."""
        return ranking_error(student, teacher, self.alpha, self.beta, self.length, self.soft)


@MODELS.register_module()
class TripletLoss(_RowsLoss):
    """max(D(a, p) - D(a, n) + F(d), 0) with the margin F(d) by the teacher's distances.

    Source: Feng, Wang, Hu, Yi. Triplet Distillation for Deep Face Recognition. 2019, equations 2 to
    4. D is the squared distance of rows of unit length.

    Args:
        low: Smallest margin, m_min >= 0.
        high: Largest margin, m_max >= ``low``.
        mining: ``'all'`` triplets, or each anchor's ``'hardest'`` positive and negative.
        reduction: ``'mean'`` over all triplets, or over those that are ``'active'``.
        limit: Most triplets of a batch, taken by an even stride.
    """

    def __init__(
        self,
        low: float = 0.2,
        high: float = 0.5,
        mining: str = 'all',
        reduction: str = 'mean',
        limit: int = 4096,
    ) -> None:
        super().__init__()
        check_number('low', low, '>= 0')
        check_number('high', high, f'>= {low}')
        check_choice('mining', mining, ('all', 'hardest'))
        check_choice('reduction', reduction, ('mean', 'active'))
        check_number('limit', limit, '>= 1', whole=True)
        self.low, self.high, self.limit = low, high, limit
        self.mining, self.reduction = mining, reduction

    def error(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Scalar, the mean over the triplets."""
        return triplet_error(
            student,
            teacher,
            labels,
            margins=(self.low, self.high),
            hardest=self.mining == 'hardest',
            active=self.reduction == 'active',
            limit=self.limit,
        )
