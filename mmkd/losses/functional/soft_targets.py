"""Weighted soft targets: Chen et al., NIPS 2017, L_soft.

Letters: N rows (RoIs or anchors), C columns (classes, the background last; or sigmoids),
E teachers of an ensemble.
"""

from torch import Tensor
from torch.nn import functional

from .reduction import wide


def _mean_over_teachers(probabilities: Tensor) -> Tensor:
    """(N, C), or (E, N, C) of an ensemble, -> (N, C)."""
    return probabilities.mean(dim=0) if probabilities.dim() == 3 else probabilities


def weighted_soft_cross_entropy(
    student: Tensor, teacher: Tensor, weights: Tensor, temperature: float = 1.0
) -> Tensor:
    """-sum_c w_c P_T,c log P_S,c of each row, P = softmax(Z / temperature), temperature > 0.

    Logits Z (N, C), the teacher's perhaps (E, N, C) of an ensemble, whose probabilities are
    averaged, and weights w (C,) -> (N,) in float32 or wider.
    """
    log_probs = functional.log_softmax(wide(student) / temperature, dim=1)
    probabilities = functional.softmax(wide(teacher) / temperature, dim=-1)
    targets = wide(weights) * _mean_over_teachers(probabilities)
    return -(targets * log_probs.masked_fill(targets == 0, 0)).sum(dim=1)


def weighted_soft_binary_cross_entropy(
    student: Tensor,
    teacher: Tensor,
    weights: Tensor,
    background_weight: float | Tensor,
    temperature: float = 1.0,
) -> Tensor:
    """The same of sigmoid columns, each a two-class softmax of (z, 0), summed over the columns.

    -sum_c [w_c p_T log p_S + w_bg (1 - p_T) log(1 - p_S)], p = sigmoid(z / temperature);
    ``weights`` (C,) are w_c, of each column's positive part, ``background_weight`` w_bg.
    """
    logits = wide(student) / temperature
    targets = _mean_over_teachers((wide(teacher) / temperature).sigmoid())
    positive, negative = wide(weights) * targets, background_weight * (1 - targets)
    terms = [
        share * functional.logsigmoid(side.masked_fill(share == 0, 0))
        for share, side in ((positive, logits), (negative, -logits))
    ]
    return -(terms[0] + terms[1]).sum(dim=1)
