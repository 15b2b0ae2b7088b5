"""A run that diverges ends with one error and every good checkpoint in place."""

import json
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import distributed

from mmkd.engine.commands.train_and_test import train_main
from mmkd.engine.hooks.checkpoint import _all_or_none
from mmkd.registry import HOOKS
from mmkd.testing import (
    in_process,
    in_two_processes,
    tiny_retinanet_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import distill_cfg

GUARD = dict(type='mmkd.NanGuardHook')
EMA = dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.1)


@HOOKS.register_module()
class BreakWeightsHook(Hook):
    """As if the last step of an epoch had overflowed: its loss was finite, its weights are not."""

    priority = 'VERY_HIGH'

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == self.epoch:
            next(runner.model.parameters()).data.view(-1)[0] = float('nan')


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_tiny_coco(tmp_path_factory.mktemp('data'), num_images=2)


def run_cfg(data_root, folder, model=None, hooks=(GUARD,), host=False, **kw):
    """Two epochs of one step; the newest checkpoint is kept."""
    model = model or tiny_retinanet_cfg()
    cfg = tiny_run_cfg(data_root, folder, model, epochs=2, num_workers=0, hooks=hooks, **kw)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    if host:
        cfg.default_hooks.checkpoint.type = 'CheckpointHook'
    return cfg


def diverging(cfg):
    cfg.optim_wrapper.clip_grad = None
    cfg.optim_wrapper.optimizer.lr = 1e30
    cfg.param_scheduler = []
    return cfg


def checkpoints(folder):
    """The names of all; their weights are finite."""
    for path in folder.glob('*.pth'):
        state = torch.load(path, weights_only=True)['state_dict']
        assert all(value.isfinite().all() for value in state.values())
    return sorted(path.name for path in folder.glob('*.pth'))


@pytest.mark.parametrize('distilled', [False, True], ids=['plain', 'distilled'])
def test_a_learning_rate_too_high_ends_the_run(data_root, tmp_path, distilled):
    run = tmp_path / 'run'
    model, hooks = (distill_cfg(tmp_path), ()) if distilled else (None, (GUARD,))
    cfg = diverging(run_cfg(data_root, run, model, hooks))
    with pytest.raises(ValueError, match=r'loss.*: NaN or inf.* at iteration 2, .*images/\d.png'):
        train(cfg)
    assert checkpoints(run) == ['epoch_1.pth']


@pytest.mark.parametrize(
    'distilled, host, hooks',
    [
        (False, False, (EMA, GUARD)),
        (False, True, (GUARD,)),
        (True, True, ()),
        (True, False, (EMA,)),
    ],
    ids=['plain, EMA', "plain, the host's hook", "distilled, the host's hook", 'distilled, EMA'],
)
def test_broken_weights_are_not_saved(data_root, tmp_path, distilled, host, hooks):
    run = tmp_path / 'run'
    hooks = (*hooks, dict(type='mmkd.BreakWeightsHook', epoch=1))
    cfg = run_cfg(data_root, run, distill_cfg(tmp_path) if distilled else None, hooks, host)
    cfg.default_hooks.checkpoint.max_keep_ckpts = -1 if host else 1  # the host deletes first
    with pytest.raises(ValueError, match=r'the weights .*conv1.weight.* hold NaN .* not saved'):
        train(cfg)
    assert checkpoints(run) == ['epoch_1.pth']
    assert (run / 'last_checkpoint').read_text().endswith('epoch_1.pth')


def test_the_switch_turns_it_off(data_root, tmp_path):
    train(diverging(run_cfg(data_root, tmp_path, hooks=(dict(GUARD, enabled=False),))))
    assert len(list(tmp_path.glob('epoch_2.pth'))) == 1


class TestUnderOurTools:
    def test_a_config_that_names_no_guard_has_one(self, data_root, tmp_path):
        diverging(run_cfg(data_root, tmp_path / 'run', hooks=())).dump(tmp_path / 'config.py')
        log = tmp_path / 'log'
        assert in_process(train_main, [str(tmp_path / 'config.py')], log=log) == 2
        assert 'error: loss' in log.read_text() and 'Traceback' not in log.read_text()

    @pytest.mark.slow
    @pytest.mark.parametrize('distilled', [False, True], ids=['plain', 'distilled'])
    def test_two_processes_end_where_one_sees_an_image_smaller_than_annotated(
        self, tmp_path, distilled
    ):
        root = write_tiny_coco(tmp_path / 'data', num_images=4)
        content = json.loads((root / 'annotations.json').read_text())
        content['images'][0]['width'] = 200  # it is 96
        content['annotations'][0]['bbox'] = [120, 10, 40, 40]
        (root / 'annotations.json').write_text(json.dumps(content))
        model = distill_cfg(tmp_path) if distilled else tiny_retinanet_cfg()
        cfg = tiny_run_cfg(root, tmp_path / 'run', model, num_workers=0)
        cfg.env_cfg.dist_cfg = dict(backend='gloo')
        cfg.dump(tmp_path / 'config.py')
        args = [str(tmp_path / 'config.py'), '--launcher', 'pytorch']
        log = tmp_path / 'log'
        assert in_two_processes(train_main, args, log=log) == [2, 2]
        said = sorted((tmp_path / f'log_{rank}').read_text() for rank in range(2))
        assert not any('Traceback' in text for text in said)
        messages = sorted(text[text.index('error: ') :] for text in said)
        assert messages[0].startswith('error: Another process met NaN or infinity')
        assert 'at iteration 1' in messages[1] and 'images/0.png (its box' in messages[1]


def saves(folder) -> None:
    """The main process cannot save; the other learns of it."""
    distributed.init_process_group('gloo')
    try:
        with _all_or_none():
            if distributed.get_rank() == 0:
                raise OSError('full')
    except OSError as error:
        (folder / f'said{distributed.get_rank()}').write_text(str(error))
    distributed.destroy_process_group()


def test_processes_end_with_the_one_that_cannot_save(tmp_path):
    assert in_two_processes(saves, tmp_path, log=tmp_path / 'log') == [0, 0]
    assert (tmp_path / 'said0').read_text() == 'full'
    assert (tmp_path / 'said1').read_text().startswith('Another process could not save')


def test_float16_is_looked_at_as_the_forward_pass_ran(monkeypatch):
    """AmpOptimWrapper opens autocast around the forward pass only."""
    from types import SimpleNamespace

    from mmkd.engine import NanGuardHook
    from mmkd.engine.hooks import nan_guard

    class Wrapper:
        def optim_context(self, model: Any):
            return torch.autocast('cpu', torch.float16)

    monkeypatch.setattr(nan_guard, 'AmpOptimWrapper', Wrapper)
    runner = SimpleNamespace(model=torch.nn.Linear(1, 1), optim_wrapper=Wrapper(), iter=0)
    hook, outputs = NanGuardHook(), {'loss': torch.tensor(float('inf'))}
    for _ in range(19):
        hook.after_train_iter(runner, 0, {}, outputs)
    with pytest.raises(ValueError, match='skipped 20 steps in a row'):
        hook.after_train_iter(runner, 0, {}, outputs)
