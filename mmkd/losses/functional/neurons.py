"""Which neurons of a teacher are worth imitating: Luo et al., AAAI 2016.

Letters: N neurons, J attributes, S samples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmkd.utils.errors import UserError

SWEEPS = 20
"""Synchronous sweeps of the mean field."""


def balanced_accuracies(responses: Tensor, attributes: Tensor) -> Tensor:
    """How well each neuron, cut at its median, tells each attribute: (TP + TN) / 2, in [0.5, 1].

    (S, N), (S, J) bool -> (N, J) float64. The better of both orientations counts. An attribute
    that all samples have, or none, tells nothing: 0.5.
    """
    high = (responses > responses.median(dim=0).values).double()  # (S, N)
    has = attributes.double()  # (S, J)
    positives, negatives = has.sum(dim=0), (1 - has).sum(dim=0)
    true_positive = (high.T @ has) / positives.clamp(min=1)
    true_negative = ((1 - high).T @ (1 - has)) / negatives.clamp(min=1)
    found = (true_positive + true_negative) / 2
    found = torch.maximum(found, 1 - found)
    return found.masked_fill((positives == 0) | (negatives == 0), 0.5)


def neuron_costs(accuracies: Tensor, unrelated: Sequence[int], related: Sequence[int]) -> Tensor:
    """f: (max - mean over unrelated attributes) / (max - mean over related ones + 1e-6).

    (N, J), columns of attributes that do not tell identity and of those that do -> (N,); small is
    good.

    Raises:
        ValueError: A group is empty.
    """
    for name, group in (('unrelated', unrelated), ('related', related)):
        if not group:
            raise UserError(f'{name} must name at least one attribute, got {list(group)}.')
    gaps = [
        accuracies[:, list(group)].amax(dim=1) - accuracies[:, list(group)].mean(dim=1)
        for group in (unrelated, related)
    ]
    return gaps[0] / (gaps[1] + 1e-6)


def neuron_similarities(accuracies: Tensor) -> Tensor:
    """Psi_ij = exp(-||x_i - x_j||^2 / 2), (N, N) with a diagonal of 0."""
    squares = (accuracies[:, None] - accuracies[None]).square().sum(dim=2)
    return (-squares / 2).exp().fill_diagonal_(0)


def keep_probabilities(costs: Tensor, similarities: Tensor, weight: float | None = None) -> Tensor:
    """Q by mean field: q <- q / 2 + sigmoid(b - f - 2 lambda Psi q) / 2, b the median of f.

    The bias b stands for what the paper leaves open: without it the energy is least with no neuron.
    Of costs f (N,), similarities Psi (N, N) and a weight lambda, by default 1 / (N - 1), (N,) in
    (0, 1).
    """
    weight = 1 / max(len(costs) - 1, 1) if weight is None else weight
    gain = costs.median() - costs
    kept = gain.sigmoid()
    for _ in range(SWEEPS):
        kept = 0.5 * kept + 0.5 * (gain - 2 * weight * similarities @ kept).sigmoid()
    return kept


def select_neurons(
    responses: Tensor,
    attributes: Tensor,
    unrelated: Sequence[int],
    related: Sequence[int],
    ratio: float = 0.824,
) -> list[int]:
    """The neurons with the highest probability to be kept: indices, ascending.

    (S, N), (S, J) bool, groups of attributes as in :func:`neuron_costs`, and the share of the
    neurons to keep, in (0, 1], 422 of 512 in the paper. Neurons that always give the same are never
    among them.
    """
    alive = (responses.double().std(dim=0) >= 1e-6).nonzero().squeeze(1)
    accuracies = balanced_accuracies(responses[:, alive], attributes)
    costs = neuron_costs(accuracies, unrelated, related)
    kept = keep_probabilities(costs, neuron_similarities(accuracies))
    count = min(max(round(ratio * responses.shape[1]), 1), len(alive))
    best = kept.argsort(descending=True, stable=True)[:count]
    return sorted(alive[best].tolist())
