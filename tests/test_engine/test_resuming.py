"""Promise 4: killed and resumed, a run ends as an uninterrupted one does."""

import signal
from pathlib import Path

import pytest
import torch

from mmkd.testing import (
    differences,
    in_process,
    tiny_faster_rcnn_cfg,
    tiny_run_cfg,
    train,
    write_tiny_coco,
)
from mmkd.testing.distill import distill_cfg

EMA = dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.1, priority=49)
CLOCKS = ('time', 'data_time', 'memory')  # log entries that measure the machine


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    return write_tiny_coco(tmp_path_factory.mktemp('data'))


def last_checkpoint(work_dir: Path) -> dict:
    return torch.load((work_dir / 'last_checkpoint').read_text(), weights_only=True)


def log_history(checkpoint: dict) -> dict:
    scalars = checkpoint['message_hub']['log_scalars']
    return {name: value for name, value in scalars.items() if not name.endswith(CLOCKS)}


def run(log: Path, *args, killed: bool = False, **kw) -> None:
    status = in_process(train, tiny_run_cfg(*args, **kw), log=log)
    assert status == (-signal.SIGKILL if killed else 0), log.read_text()[-3000:]


def distilled(folder: Path) -> dict:
    return distill_cfg(folder)


def auto_scaled(folder: Path) -> dict:
    # Five iterations to choose a weight in: the kill before the fifth falls among them.
    methods = [
        dict(type='mmkd.FGFI', auto_scale=dict(iters=5)),
        dict(type='mmkd.Hint', auto_scale=dict(iters=5, by='grad')),
    ]
    return distill_cfg(folder, methods=methods)


def labelling(folder: Path) -> dict:
    # Untrained, a teacher of three classes gives each about a quarter.
    return distill_cfg(folder, unlabelled=dict(score_thr=0.25, task_weight=0.5))


def staged(folder: Path) -> dict:
    # The second epoch is of the first stage too; the second method is silent until the third, in
    # which the run is killed again: it resumes where a stage ends and begins.
    stages = [dict(methods=['fitnets'], epochs=2, task=False), dict(methods=['fgfi'])]
    methods = [
        dict(type='mmkd.FitNets', stage='backbone', levels=[[1, 1]]),
        dict(type='mmkd.FGFI'),
    ]
    return distill_cfg(folder, methods=methods, stages=stages)


def plain(folder: Path) -> dict:
    return tiny_faster_rcnn_cfg()


@pytest.mark.slow
@pytest.mark.parametrize(
    'model, num_workers, hooks, randomness',
    [
        (distilled, 2, (), dict(seed=3)),
        (auto_scaled, 0, (EMA,), dict(seed=3)),
        (labelling, 2, (EMA,), dict(seed=3)),
        (staged, 0, (EMA,), dict(seed=3)),
        (plain, 2, (EMA,), dict(seed=3, diff_rank_seed=True)),
    ],
    ids=[
        'distilled, workers',
        'auto scale, EMA',
        'unlabelled, EMA',
        'in stages, EMA',
        'plain, EMA, a seed a rank',
    ],
)
def test_a_killed_and_resumed_run_ends_with_the_bits_of_an_uninterrupted_one(
    data_root, tmp_path, model, num_workers, hooks, randomness
):
    common = dict(model=model(tmp_path), num_workers=num_workers, randomness=randomness)
    log, whole, cut = tmp_path / 'log', tmp_path / 'whole', tmp_path / 'cut'
    run(log, data_root, whole, hooks=hooks, **common)
    # Three steps an epoch: a kill falls into the second or third epoch, after one of its steps.
    for at_iter in (4, 7) if model is staged else (4,):
        kill = dict(type='mmkd.KillHook', at_iter=at_iter)
        run(log, data_root, cut, hooks=(*hooks, kill), killed=True, resume=cut.exists(), **common)
        assert last_checkpoint(cut)['meta']['epoch'] == at_iter // 3
    run(log, data_root, cut, hooks=hooks, resume=True, **common)

    expected, got = last_checkpoint(whole), last_checkpoint(cut)
    assert got['meta']['epoch'] == 3
    names = [key for key in got['state_dict'] if key.startswith('distill.')]
    assert bool(names) == (model is not plain)
    kinds = ['state_dict', 'optimizer', 'param_schedulers'] + ['ema_state_dict'] * bool(hooks)
    assert [d for kind in kinds for d in differences(expected[kind], got[kind], kind)] == []
    assert differences(log_history(expected), log_history(got), 'log') == []


def test_without_a_configured_seed_a_resumed_run_takes_the_one_in_the_checkpoint(
    data_root, tmp_path
):
    common = dict(model=tiny_faster_rcnn_cfg(), epochs=2, num_workers=0, randomness=dict(seed=None))
    log, work_dir = tmp_path / 'log', tmp_path / 'run'
    run(log, data_root, work_dir, **common)
    expected = last_checkpoint(work_dir)
    first = str(work_dir / 'epoch_1.pth')
    run(log, data_root, work_dir, resume=True, load_from=first, **common)
    got = last_checkpoint(work_dir)
    assert got['meta']['seed'] == expected['meta']['seed']
    assert differences(expected['state_dict'], got['state_dict']) == []
