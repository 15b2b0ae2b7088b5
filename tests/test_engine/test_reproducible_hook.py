"""Random streams: equal keys, equal draws; other steps, ranks and workers, other draws."""

import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from mmkd.engine import ReproducibleHook
from mmkd.engine.hooks.reproducible import seed_everything, seed_worker
from mmkd.testing import tiny_faster_rcnn_cfg, tiny_run_cfg, train, write_tiny_coco


def draws() -> tuple:
    return random.random(), np.random.rand(), torch.rand(1).item()


def drawn_by_worker(worker: int, **key: int) -> tuple:
    seed_worker(worker, **key)
    return draws()


def test_equal_keys_draw_the_same_and_every_part_of_a_key_counts():
    key = dict(seed=1, rank=0, epoch=2)
    first = drawn_by_worker(0, **key)
    assert drawn_by_worker(0, **key) == first
    others = [drawn_by_worker(1, **key)]
    others += [drawn_by_worker(0, **{**key, name: value + 1}) for name, value in key.items()]
    for other in others:
        assert all(a != b for a, b in zip(first, other, strict=True))


def test_a_worker_init_fn_of_the_loader_runs_first_and_its_seed_does_not_stay():
    called = []

    def own(worker_id: int) -> None:
        called.append(worker_id)
        seed_everything(0)

    seed_worker(3, seed=1, rank=0, epoch=0, then=own)
    assert called == [3] and draws() == drawn_by_worker(3, seed=1, rank=0, epoch=0)


class Noise(Dataset):
    """Four samples, each a number drawn by the process that fetches it."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> float:
        return np.random.rand()


class FakeRunner:
    """What the hook reads of a runner."""

    seed, epoch, iter, train_loop = 5, 0, 0, None

    def __init__(self, workers: int) -> None:
        self.train_dataloader = DataLoader(Noise(), num_workers=workers, batch_size=2)
        self.cfg: dict = {}

    def epoch_data(self, hook: ReproducibleHook, epoch: int) -> list:
        self.epoch = epoch
        hook.before_train_epoch(self)
        return [value for batch in self.train_dataloader for value in batch.tolist()]


@pytest.mark.parametrize('workers', [0, 2])
def test_data_of_an_epoch_depends_on_its_number_and_not_on_what_ran_before(workers):
    hook, runner = ReproducibleHook(), FakeRunner(workers)
    hook.before_train(runner)
    epochs = [runner.epoch_data(hook, epoch) for epoch in range(2)]
    assert len({*epochs[0], *epochs[1]}) == 8
    resumed, fresh = ReproducibleHook(), FakeRunner(workers)
    fresh.epoch = 1
    resumed.before_train(fresh)
    assert fresh.epoch_data(resumed, 1) == epochs[1]


def test_a_step_draws_the_same_whatever_was_drawn_before_it_and_steps_differ():
    hook, runner = ReproducibleHook(), FakeRunner(0)
    hook.before_train(runner)
    drawn = []
    for runner.iter in (4, 4, 5):
        hook.before_train_iter(runner, 0)
        drawn.append(draws())
    assert drawn[0] == drawn[1] != drawn[2]


def test_without_workers_a_fetch_does_not_depend_on_what_the_step_before_it_drew():
    hook, runner = ReproducibleHook(), FakeRunner(0)
    hook.before_train(runner)
    fetched = []
    for drawn in (1, 7):
        np.random.rand(drawn)
        hook.after_train_iter(runner, 0)
        fetched.append(np.random.rand())
    assert fetched[0] == fetched[1]


def test_the_loaders_own_init_fn_is_back_after_training():
    hook, runner = ReproducibleHook(), FakeRunner(2)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    assert runner.train_dataloader.worker_init_fn is not None
    hook.after_train(runner)
    assert runner.train_dataloader.worker_init_fn is None


def test_persistent_workers_are_refused_with_setting_and_remedy(tmp_path):
    data = write_tiny_coco(tmp_path / 'data')
    cfg = tiny_run_cfg(data, tmp_path / 'run', tiny_faster_rcnn_cfg())
    cfg.train_dataloader.persistent_workers = True
    with pytest.raises(ValueError, match='train_dataloader.persistent_workers=True.*=False'):
        train(cfg)
