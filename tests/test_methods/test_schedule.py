from unittest import mock

import pytest
import torch
from mmengine.optim.scheduler import CosineAnnealingParamScheduler, LinearParamScheduler

from mmkd.methods import FGFI, DistillMethod, Schedule
from mmkd.observation import Observation
from mmkd.testing.observations import batch_of


def at(step=0, **progress):
    return batch_of([], (1, 1), step, **progress)


def values(setting, steps, **progress):
    """Values of a schedule by iteration."""
    schedule = Schedule(setting, 'weight')
    return [schedule(at(step, **progress)) for step in range(steps)]


def of_mmengine(scheduler, steps, initial, **kwargs):
    """What a scheduler of MMEngine makes of a parameter, by iteration."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=initial)
    scheduler = scheduler(optimizer, 'lr', by_epoch=False, **kwargs)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize('begin, end', [(0, 10), (0, 6), (0, 1)])
def test_linear_is_mmengines(begin, end):
    expected = of_mmengine(
        LinearParamScheduler, 10, 2.0, start_factor=0.25, end_factor=1, begin=begin, end=end
    ) if end > 1 else [0.5] + [2.0] * 9  # fmt: skip
    setting = dict(type='linear', start=0.5, stop=2.0, begin=begin, end=end, by_epoch=False)
    assert values(setting, 10) == pytest.approx(expected)


@pytest.mark.parametrize('begin, end', [(0, 8), (3, 8)])
def test_cosine_is_mmengines_while_it_lasts_and_then_at_its_goal(begin, end):
    expected = of_mmengine(
        CosineAnnealingParamScheduler, 8, 2.0, eta_min=0.5, begin=begin, end=end
    )  # fmt: skip
    setting = dict(type='cosine', start=2.0, stop=0.5, begin=begin, end=end, by_epoch=False)
    assert values(setting, 10) == pytest.approx([*expected, 0.5, 0.5])


@pytest.mark.parametrize('setting, expected', [
    (0.5, [0.5] * 6),
    (dict(type='constant', value=0.5), [0.5] * 6),
    (dict(type='warmup', value=0.6, end=4, by_epoch=False), [0, 0.2, 0.4, 0.6, 0.6, 0.6]),
    ([
        dict(type='constant', value=1.0),
        dict(type='stop', begin=3, by_epoch=False),
    ], [1, 1, 1, 0, 0, 0]),
    ([
        dict(type='warmup', value=1.0, end=3, by_epoch=False),
        dict(type='linear', start=1.0, stop=0.0, begin=3, by_epoch=False),
    ], [0, 0.5, 1, 1, 0.5, 0]),
    (dict(type='linear', start=1.0, stop=0.0, begin=2, end=4, by_epoch=False), [1, 1, 1, 0, 0, 0]),
])  # fmt: skip
def test_pieces(setting, expected):
    assert values(setting, 6, max_steps=6) == pytest.approx(expected)


def test_epochs_are_the_default_unit():
    schedule = Schedule(dict(type='linear', start=0.0, stop=1.0), 'weight')
    seen = [schedule(at(step=7 * epoch + 3, epoch=epoch, max_epochs=3)) for epoch in range(3)]
    assert seen == [0.0, 0.5, 1.0]


def test_outside_a_runner_an_open_end_is_never_reached():
    assert values(dict(type='cosine', start=1.0, stop=0.0, by_epoch=False), 3) == [1.0] * 3


@pytest.mark.parametrize('setting, message', [
    (-1, 'weight must be >= 0, got -1'),
    ([], 'weight is an empty list'),
    (dict(type='step', value=1), "weight: type must be one of .*'warmup'.* got 'step'"),
    (dict(type='linear', start=1), r"'linear' piece needs \['start', 'stop'\].*got \['start'\]"),
    (dict(type='constant', value=1, gamma=2), "got .*'gamma'"),
    (dict(type='warmup', value=1), "'warmup' piece needs"),
    (dict(type='constant', value=1, begin=3, end=3), 'got begin=3, end=3'),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        Schedule(setting, 'weight')


class Plain(DistillMethod):
    """A method as a user writes one: it knows of no schedule."""

    def forward(self, student, teacher, batch):
        return {'loss_plain': self.loss_weight * student.features[0], 'plain_seen': torch.ones(())}


def run(method, batch):
    value = torch.tensor(3.0, requires_grad=True)
    seen = Observation(features=lambda _: [value])
    return method(seen, seen, batch)


class TestTheWeightOfAnyMethod:
    setting = dict(type='linear', start=0.0, stop=0.5, end=3, by_epoch=False)

    def test_follows_its_schedule_and_is_logged(self):
        method = Plain(self.setting)
        logs = [run(method, at(step)) for step in range(3)]
        assert [log['loss_plain'].item() for log in logs] == pytest.approx([0, 0.75, 1.5])
        assert [log['plain_weight'].item() for log in logs] == pytest.approx([0, 0.25, 0.5])
        assert ['plain_seen' in log for log in logs] == [False, True, True]

    def test_while_it_is_zero_nothing_is_compared_but_adapters_have_a_graph(self):
        method = Plain(self.setting)
        method.adapter = torch.nn.Linear(2, 2)
        method.forward = mock.Mock(wraps=method.forward)
        losses = [run(method, at(0))['loss_plain'] for _ in range(3)]
        assert method.forward.call_count == 1, 'once, for the names of its losses'
        losses[-1].backward()
        assert losses[-1] == 0 and (method.adapter.weight.grad == 0).all() and method.active
        assert run(method, at(2))['loss_plain'] == 1.5

    def test_a_schedule_that_is_never_above_zero_is_not_run(self):
        assert not Plain(dict(type='constant', value=0)).active

    def test_a_plain_number_adds_no_line_to_the_log(self):
        assert set(run(Plain(0.5), at(0))) == {'loss_plain', 'plain_seen'}


def test_warm_up_of_fgfi_excludes_a_schedule():
    with pytest.raises(ValueError, match='warmup_iters=3 needs loss_weight to be a number'):
        FGFI(loss_weight=dict(type='warmup', value=1, end=3), warmup_iters=3)
