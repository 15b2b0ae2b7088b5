"""Neuron selection: the printed example, what is dropped, the hint, the tool."""

import itertools
import json

import pytest
import torch

from mmkd.losses.functional import (
    balanced_accuracies,
    keep_probabilities,
    neuron_costs,
    neuron_similarities,
    select_neurons,
)
from mmkd.testing.distill import build_distill, loss_of

X = torch.tensor(
    [[0.6, 0.9, 0.7, 0.5], [0.8, 0.6, 0.9, 0.6], [0.55, 0.5, 0.8, 0.7]], dtype=torch.float64
)


def test_the_printed_example():
    costs, psi = neuron_costs(X, [0, 1], [2, 3]), neuron_similarities(X)
    assert costs.tolist() == pytest.approx([1.499985, 0.666662, 0.499990], abs=1e-6)
    assert [psi[0, 1], psi[0, 2], psi[1, 2]] == pytest.approx(
        [0.913931, 0.899200, 0.954803], abs=1e-6
    )
    energy = costs[0] + costs[2] + 0.1 * 2 * psi[0, 2]
    assert energy.item() == pytest.approx(2.179815, abs=1e-6)
    kept = keep_probabilities(costs, psi, 0.1)
    assert kept.tolist() == pytest.approx([0.267109, 0.463629, 0.507525], abs=1e-6)


def test_accuracies_equal_counts_in_loops():
    generator = torch.Generator().manual_seed(0)
    responses = torch.randn(11, 3, generator=generator)
    has = torch.rand(11, 2, generator=generator) > 0.4
    found = balanced_accuracies(responses, has)
    for i, j in itertools.product(range(3), range(2)):
        high = [r > responses[:, i].median() for r in responses[:, i]]
        rates = []
        for wanted in (True, False):
            rows = [bool(h) is wanted for h, a in zip(high, has[:, j], strict=True) if a == wanted]
            rates.append(sum(rows) / len(rows))
        value = sum(rates) / 2
        assert found[i, j].item() == pytest.approx(max(value, 1 - value), abs=1e-9)


def test_a_neuron_that_tells_classes_is_kept_and_a_dead_one_never():
    classes = torch.arange(40) % 2 == 0
    place = torch.arange(40) % 4 < 2
    noise = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    responses = torch.stack(
        [classes + 0.01 * noise[:, 0], place + 0.01 * noise[:, 1], torch.zeros(40)], dim=1
    )
    attributes = torch.stack([classes, ~classes, place, ~place, noise[:, 2] > 0], dim=1)
    kept = select_neurons(responses, attributes, [2, 3, 4], [0, 1, 4], ratio=1 / 3)
    assert kept == [0]
    assert select_neurons(responses, attributes, [2, 3, 4], [0, 1, 4], ratio=1.0) == [0, 1]
    with pytest.raises(ValueError, match='unrelated must name at least one'):
        select_neurons(responses, attributes, [], [0])


def test_only_the_chosen_channels_are_compared(tmp_path):
    every = [list(range(24))] * 4
    chosen = tmp_path / 'channels.json'
    levels = len(build_distill(tmp_path, methods=[dict(type='mmkd.Hint')]).distill['hint'].pairs)
    chosen.write_text(json.dumps([[1, 5]] * levels))
    methods = [dict(type='mmkd.NeuronSelection', channels=str(chosen))]
    model = build_distill(tmp_path, methods=methods)
    adapters = model.distill['neuron_selection'].adapters
    assert {adapter.conv.out_channels for adapter in adapters} == {2}
    loss = loss_of(model)['loss_neuron_selection']
    loss.backward()
    assert loss > 0 and all(p.grad.any() for p in adapters.parameters())
    with pytest.raises(ValueError, match=r'channels\[0\] must name some of 0 .. 23'):
        wrong = [[24]] * levels
        build_distill(tmp_path, methods=[dict(type='mmkd.NeuronSelection', channels=wrong)])
    with pytest.raises(ValueError, match='tools/select_neurons.py'):
        short = every[: levels - 1]
        build_distill(tmp_path, methods=[dict(type='mmkd.NeuronSelection', channels=short)])
    with pytest.raises(FileNotFoundError, match='select_neurons'):
        build_distill(tmp_path, methods=[dict(type='mmkd.NeuronSelection', channels='no.json')])
