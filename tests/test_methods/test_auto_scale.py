"""A weight chosen in the first iterations: the number, the wait, the checkpoint, the ranks."""

import copy
import logging
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from mmkd.engine.commands.export import export_student
from mmkd.methods import AutoScale, DistillMethod
from mmkd.observation import Observation, gradient_norm, total_loss
from mmkd.testing import demo_batch, in_two_processes
from mmkd.testing.distill import build_distill, loss_of
from mmkd.testing.observations import batch_of

FGFI = dict(type='mmkd.FGFI', loss_weight=0.01)


class Plain(DistillMethod):
    """A user's method that knows nothing of auto_scale: the mean of a map."""

    def forward(self, student, teacher, batch):
        return {'loss_plain': self.loss_weight * student.features[0].mean()}


def plain(setting, loss_weight=1.0):
    method = Plain(loss_weight)
    method.set_auto_scale(setting)
    return method


def step(method, value, task, number=0):
    """One iteration: a map of four cells of ``value``, task losses of ``task`` in all."""
    cells = torch.full((1, 1, 2, 2), float(value), requires_grad=True)
    losses = {'loss_a': 3 * task / 4 * cells.mean() / value, 'acc': torch.tensor(9.0)}
    losses['loss_b'] = [task / 8 * cells.mean() / value] * 2
    seen = Observation(features=lambda _: [cells], losses=lambda _: losses)
    return method(seen, seen, batch_of([], (8, 8), step=number))


class TestTheChosenWeight:
    def test_makes_the_loss_the_fraction_of_the_task_as_worked_out_by_hand(self):
        method = plain(dict(fraction=0.5, iters=2))
        waiting = [step(method, value, task) for value, task in ((2, 6), (4, 12))]
        assert [found['loss_plain'].item() for found in waiting] == [0, 0]
        # Means: task (6 + 12) / 2 = 9, method (2 + 4) / 2 = 3; 0.5 * 9 / 3 = 1.5.
        assert method.auto_scale.factor == 1.5
        found = step(method, 2, 6)
        assert found['loss_plain'] == 3 and found['plain_weight'] == 1.5

    def test_makes_the_gradient_norm_the_fraction_of_the_task(self):
        method = plain(dict(fraction=0.1, iters=1, by='grad'))
        step(method, 5, 20)
        # d mean / d cell = 1/4 in four cells: norm 1/2; the task's is 20 / 5 times that.
        assert method.auto_scale.factor.item() == pytest.approx(0.1 * 4)

    @pytest.mark.parametrize('by', ['loss', 'grad'])
    def test_does_not_depend_on_the_configured_one(self, by):
        after = []
        for weight in (1e-3, 1.0, 50.0):
            method = plain(dict(iters=1, by=by), weight)
            step(method, 3, 6)
            after.append(step(method, 3, 6)['loss_plain'].item())
        assert after == pytest.approx([after[0]] * 3) and after[0] == pytest.approx(3)

    def test_is_multiplied_by_a_schedule_whose_zeros_do_not_matter(self):
        schedule = [
            dict(type='constant', value=0.0),
            dict(type='constant', value=4.0, begin=1, by_epoch=False),
        ]
        method = plain(dict(fraction=0.5, iters=1), schedule)
        step(method, 3, 6)
        assert step(method, 3, 6, number=0)['loss_plain'] == 0
        assert step(method, 3, 6, number=1)['loss_plain'].item() == pytest.approx(3)

    def test_is_not_touched_without_gradients_or_in_eval_mode(self):
        method = plain(dict(iters=1))
        with torch.no_grad():
            step(method, 3, 6)
        step(method.eval(), 3, 6)
        assert method.calibrating and method.auto_scale.seen == 0

    @pytest.mark.parametrize('loss_weight', [1.0, 100.0])
    def test_lets_the_adapters_learn_meanwhile_as_if_it_were_chosen(self, loss_weight):
        method = plain(dict(fraction=0.5, iters=2), loss_weight)
        method.scale = torch.nn.Parameter(torch.tensor(4.0))
        method.forward = lambda s, t, b: {
            'loss_plain': loss_weight * method.scale * s.features[0].mean()
        }
        found = step(method, 3, 6)
        found['loss_plain'].backward()
        # loss = scale * 3 weighted so that it is 0.5 * 6: gradient 3 / 4 at scale 4.
        assert found['loss_plain'] == 0 and method.scale.grad.item() == pytest.approx(0.75)

    @pytest.mark.parametrize('value, task', [(3, 0), (3, float('nan'))])
    def test_that_cannot_be_chosen_is_an_error(self, value, task):
        with pytest.raises(ValueError, match='auto_scale of plain cannot choose a weight.*task'):
            step(plain(dict(iters=1)), value, task)

    @pytest.mark.parametrize('setting, message', [
        (dict(fraction=0), 'auto_scale.fraction of plain must be > 0, got 0'),
        (dict(iters=0), 'auto_scale.iters of plain must be >= 1, got 0'),
        (dict(by='norm'), "auto_scale.by of plain must be one of .* got 'norm'"),
        (dict(share=1), "auto_scale of plain must be a dict with keys of .*'share'"),
        (True, 'auto_scale of plain must be a dict'),
    ])  # fmt: skip
    def test_a_wrong_setting_is_refused(self, setting, message):
        with pytest.raises(ValueError, match=message):
            plain(setting)


def scaled(folder, *settings, **auto):
    auto = {'iters': 2, **auto}
    methods = [dict(setting, auto_scale=auto) for setting in settings or (FGFI,)]
    return build_distill(folder, methods=methods)


class TestInADetector:
    @pytest.mark.parametrize('setting', [
        FGFI, dict(type='mmkd.Hint'), dict(type='mmkd.Hint', stage='backbone'),
        dict(type='mmkd.SoftClassification'), dict(type='mmkd.BoundedRegression'),
        dict(type='mmkd.Chen2017'),
    ], ids=lambda setting: setting['type'] + setting.get('stage', ''))  # fmt: skip
    @pytest.mark.parametrize('by', ['loss', 'grad'])
    def test_every_method_takes_it(self, tmp_path, setting, by):
        model = scaled(tmp_path, setting, iters=1, by=by)
        (method,) = model.distill.values()
        loss_of(model)
        assert method.auto_scale.factor > 0 and not method.calibrating

    def test_a_waiting_method_leaves_the_students_gradients_as_without_it(self, tmp_path):
        soft = dict(type='mmkd.SoftClassification', mu=0.2)
        model = scaled(tmp_path, FGFI, soft)
        torch.manual_seed(1)
        total_loss(loss_of(model)).backward()
        torch.manual_seed(1)
        alone = copy.deepcopy(model.student)
        alone.zero_grad()
        total_loss(loss_of(alone)).backward()
        ours = dict(model.student.named_parameters())
        for name, parameter in alone.named_parameters():
            assert torch.equal(ours[name].grad, parameter.grad), name
        assert all(p.grad is not None for p in model.distill.parameters())
        assert model.distill['fgfi'].adapters[0].conv.weight.grad.abs().max() > 0

    def test_measuring_gradients_changes_none(self, tmp_path):
        results = []
        for by in ('loss', 'grad'):
            model = scaled(tmp_path, by=by)
            torch.manual_seed(1)
            total_loss(loss_of(model)).backward()
            results.append([p.grad for p in model.parameters() if p.grad is not None])
        assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))

    def test_the_number_is_logged(self, tmp_path):
        model = scaled(tmp_path, iters=1)
        lines = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())
        logger = MMLogger.get_current_instance()
        logger.addHandler(handler)
        try:
            found = loss_of(model)
        finally:
            logger.removeHandler(handler)
        factor = model.distill['fgfi'].auto_scale.factor
        (line,) = lines
        assert f'loss_weight of fgfi is multiplied by {factor:.6g}' in line
        assert found['fgfi_weight'] == 0
        assert loss_of(model)['fgfi_weight'] == pytest.approx(0.01 * factor.item())

    def test_the_number_is_in_the_checkpoint_and_not_in_the_exported_student(self, tmp_path):
        model = scaled(tmp_path, iters=1)
        loss_of(model)
        torch.save({'state_dict': model.state_dict()}, tmp_path / 'run.pth')
        state = torch.load(tmp_path / 'run.pth', weights_only=True)['state_dict']
        again = scaled(tmp_path, iters=1)
        again.load_state_dict(state)
        ours, theirs = (m.distill['fgfi'].auto_scale for m in (model, again))
        assert theirs.chosen and torch.equal(ours.factor, theirs.factor)
        assert state['distill.fgfi.auto_scale.factor'] == ours.factor
        export_student(tmp_path / 'run.pth', tmp_path / 'student.pth')
        student = torch.load(tmp_path / 'student.pth', weights_only=True)['state_dict']
        assert student and not any('auto_scale' in key for key in student)

    def test_fewer_iterations_after_resuming_than_already_seen_choose_in_the_next(self, tmp_path):
        model = scaled(tmp_path, iters=9)
        loss_of(model), loss_of(model)
        again = scaled(tmp_path, iters=1)
        again.load_state_dict(model.state_dict())
        assert again.distill['fgfi'].calibrating
        loss_of(again)
        assert not again.distill['fgfi'].calibrating

    def test_without_it_the_state_has_no_new_key(self, tmp_path):
        assert not any('auto_scale' in key for key in build_distill(tmp_path).state_dict())


def one_of_two(folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group('gloo')
    rank = distributed.get_rank()
    (folder / str(rank)).mkdir()
    inner = scaled(folder / str(rank), iters=2)
    model = DistributedDataParallel(inner)
    task = 0.0
    for number in range(2):
        data = inner.data_preprocessor(demo_batch(seed=10 * rank + number), True)
        losses = total_loss(model(data['inputs'], data['data_samples'], mode='loss'))
        losses.backward()
        task += losses.item()  # the method counts 0
    state = {key: value for key, value in inner.state_dict().items() if 'auto_scale' in key}
    torch.save({'task': task, **state}, folder / f'{rank}.pth')
    distributed.destroy_process_group()


@pytest.mark.slow
def test_both_of_two_processes_choose_one_number_from_the_batches_of_both(tmp_path):
    ends = in_two_processes(one_of_two, tmp_path, log=tmp_path / 'log')
    assert ends == [0, 0], (tmp_path / 'log_0').read_text()[-3000:]
    first, second = (torch.load(tmp_path / f'{rank}.pth', weights_only=True) for rank in (0, 1))
    prefix = 'distill.fgfi.auto_scale.'
    assert first[prefix + 'factor'] > 0 and first['task'] != second['task']
    assert all(torch.equal(first[prefix + key], second[prefix + key]) for key in
               ('factor', 'sums', 'seen'))  # fmt: skip
    mean = (first['task'] + second['task']) / 2
    assert first[prefix + 'sums'][0].item() == pytest.approx(mean, rel=1e-5)


def test_a_gradient_norm_leaves_no_trace():
    maps = [torch.ones(1, 1, 2, 2, requires_grad=True), torch.ones(3, requires_grad=True)]
    loss = 3 * maps[0].sum()
    assert gradient_norm(loss, maps) == 6  # four cells of 3: sqrt(36); the other map is not read
    assert maps[0].grad is None
    assert gradient_norm(torch.zeros(()), maps) == 0
    loss.backward()


def test_an_auto_scale_of_its_own_counts_nothing_yet():
    scale = AutoScale()
    assert scale.iters == 50 and not scale.chosen and scale.factor == 0
