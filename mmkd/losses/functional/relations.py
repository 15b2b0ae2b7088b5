"""Relations between rows: RKD (CVPR 2019), DarkRank (AAAI 2018), triplet distillation (2019).

Letters: N rows, D_S and D_T numbers of a row, n candidates of a query.
"""

from functools import lru_cache
from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional

from .reduction import constant, product, wide

_TINY = 1e-12


def squared_distances(rows: Tensor) -> Tensor:
    """||x_i - x_j||^2 of all pairs, from differences, so that equal rows have 0: (N, D) -> (N, N).

    In float32 or wider.
    """
    rows = wide(rows)
    return (rows[:, None] - rows[None]).square().sum(dim=2)


def _off_diagonal(rows: Tensor) -> Tensor:
    return ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)


def _huber(student: Tensor, teacher: Tensor) -> Tensor:
    return functional.smooth_l1_loss(student, teacher, reduction='none')


def relative_distances(rows: Tensor) -> Tensor:
    """psi_D: distances over their mean over the pairs i != j; (N, N) with a diagonal of 0."""
    others = _off_diagonal(rows)
    distances = squared_distances(rows).masked_fill(~others, 1).clamp(min=_TINY).sqrt()
    distances = distances.masked_fill(~others, 0)
    pairs = len(rows) * (len(rows) - 1)
    return distances / (distances.sum() / max(pairs, 1)).clamp(min=_TINY)


def distance_error(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D: the Huber distance of psi_D, averaged over all N^2 pairs.

    (N, D_S), (N, D_T) -> scalar; 0 for fewer than three rows.
    """
    if len(student) < 3:  # two rows have relative distance 1 whatever they are
        return wide(student).sum() * 0
    return _huber(relative_distances(student), relative_distances(teacher)).mean()


def _angles(rows: Tensor, vertices: Tensor, chunk: slice) -> Tensor:
    """Cosines of the angles at some rows j: (len(chunk), N, N)."""
    differences = rows[None] - vertices[chunk, None]  # (J, N, D)
    squares = differences.square().sum(dim=2, keepdim=True)
    units = differences / squares.masked_fill(squares == 0, 1).clamp(min=_TINY).sqrt()
    return product(units, units.transpose(1, 2))


def angle_error(student: Tensor, teacher: Tensor, chunk: int = 32) -> Tensor:
    """RKD-A: the Huber distance of the angles at j, averaged over all N^3 triples.

    (N, D_S), (N, D_T) -> scalar; 0 for fewer than three rows. ``chunk`` rows j are looked at
    together; the value does not depend on it.
    """
    count = len(student)
    sides = wide(student), wide(teacher)
    total = sides[0].sum() * 0
    if count < 3:
        return total
    # Each triple is one of distinct rows: elsewhere both sides are 0.
    distinct = _off_diagonal(student)
    for start in range(0, count, chunk):
        part = slice(start, start + chunk)
        own, target = (_angles(side, side, part) for side in sides)
        kept = distinct[part, :, None] & distinct[part, None] & distinct[None]
        total = total + _huber(own, target).masked_fill(~kept, 0).sum()
    return total / count**3


def rank_scores(rows: Tensor, alpha: float, beta: float) -> Tensor:
    """DarkRank's S = -alpha ||x_q - x_c||^beta between all rows of unit length, (N, N)."""
    return -alpha * _unit_distances(rows).clamp(min=_TINY) ** (beta / 2)


def log_ranking(scores: Tensor) -> Tensor:
    """Plackett-Luce log-probability of the order in which scores stand: (..., n) -> (...)."""
    rest = scores.flip(-1).logcumsumexp(dim=-1).flip(-1)
    return (scores - rest).sum(dim=-1)


@lru_cache
def _orders(length: int) -> tuple[tuple[int, ...], ...]:
    return tuple(permutations(range(length)))


def ranking_error(
    student: Tensor, teacher: Tensor, alpha: float, beta: float, length: int, soft: bool
) -> Tensor:
    """DarkRank: each row as query, its ``length`` nearest by the teacher as candidates.

    soft: KL over all orders of the candidates; hard: -log P_S of the teacher's order. The scale
    ``alpha`` of the scores and the exponent ``beta`` of the distance are > 0.

    (N, D_S), (N, D_T) -> scalar, the mean over the queries; 0 for fewer than three rows.
    """
    if len(student) < 3:
        return wide(student).sum() * 0
    own, target = (rank_scores(side, alpha, beta) for side in (student, teacher))
    itself = ~_off_diagonal(student)
    near = target.masked_fill(itself, float('-inf')).sort(dim=1, descending=True, stable=True)
    near_index = near.indices[:, : min(length, len(student) - 1)]  # (N, n)
    own, target = own.gather(1, near_index), target.gather(1, near_index)
    if not soft:
        return -log_ranking(own).mean()
    orders = constant(_orders(near_index.shape[1]), near_index)  # (n!, n)
    log_own, log_target = (log_ranking(side[:, orders]) for side in (own, target))
    return (log_target.exp() * (log_target - log_own)).sum(dim=1).mean()


def _unit_distances(rows: Tensor) -> Tensor:
    return squared_distances(functional.normalize(wide(rows), dim=1, eps=_TINY))


def triplets_of(labels: Tensor, limit: int) -> Tensor:
    """All (anchor, positive, negative) with label(a) = label(p) != label(n) and a != p.

    (N,) -> (T, 3) indices, at most ``limit``, taken by an even stride over the sorted list.
    """
    alike = labels[:, None] == labels[None]
    same = alike & _off_diagonal(labels)
    found = (same[:, :, None] & ~alike[:, None]).nonzero()
    if len(found) <= limit:
        return found
    places = torch.arange(limit, device=labels.device) * len(found) // limit
    return found[places]


def hardest_triplets(distances: Tensor, labels: Tensor) -> Tensor:
    """For each row the farthest of its label and the nearest of another, where there are both.

    (N, N), (N,) -> (T, 3) indices.
    """
    alike = labels[:, None] == labels[None]
    same = alike & _off_diagonal(labels)
    positive = distances.masked_fill(~same, -1).argmax(dim=1)
    negative = distances.masked_fill(alike, float('inf')).argmin(dim=1)
    found = torch.stack([torch.arange(len(labels), device=labels.device), positive, negative], 1)
    return found[same.any(dim=1) & ~alike.all(dim=1)]


def triplet_error(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    margins: tuple[float, float],
    hardest: bool = False,
    active: bool = False,
    limit: int = 4096,
) -> Tensor:
    """Mean of max(D(a, p) - D(a, n) + F(d), 0), d = max(T(a, n) - T(a, p), 0).

    F(d) = (m_max - m_min) / d_max * d + m_min, d_max the largest d of the triplets. ``hardest``
    mines by the student's distances, one triplet for each anchor; ``active`` divides by the
    triplets whose term is not 0.

    (N, D_S), (N, D_T), (N,) -> scalar; 0 without a triplet.
    """
    if not len(labels):
        return wide(student).sum() * 0
    own, target = _unit_distances(student), _unit_distances(teacher)
    triplets = hardest_triplets(own.detach(), labels) if hardest else triplets_of(labels, limit)
    if not len(triplets):
        return own.sum() * 0
    a, p, n = triplets.unbind(dim=1)
    return triplet_terms(
        own[a, p], own[a, n], target[a, p], target[a, n], margins=margins, active=active
    )


def triplet_terms(
    own_positive: Tensor,
    own_negative: Tensor,
    teacher_positive: Tensor,
    teacher_negative: Tensor,
    *,
    margins: tuple[float, float],
    active: bool = False,
) -> Tensor:
    """The loss from the distances of T triplets, (T,) each; see :func:`triplet_error`."""
    low, high = margins
    gaps = (teacher_negative - teacher_positive).clamp(min=0).detach()
    largest = gaps.amax()
    margin = (high - low) * gaps / largest.masked_fill(largest == 0, 1) + low
    terms = (own_positive - own_negative + margin).clamp(min=0)
    return terms.sum() / ((terms > 0).sum().clamp(min=1) if active else len(terms))
