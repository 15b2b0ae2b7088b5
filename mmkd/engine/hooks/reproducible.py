"""Every random draw of a training run as a function of seed and step."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mmkd.registry import HOOKS
from mmkd.utils.errors import UserError

# One stream of random numbers a purpose: no two of these share a seed at any step.
_EPOCH, _STEP, _FETCH, _WORKER = range(4)


def seed_everything(*key: int) -> None:
    """Seeds Python, NumPy and torch (all devices) from integers >= 0; other keys, other streams."""
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]) << 32 | int(words[3]))


def seed_worker(
    worker_id: int, *, seed: int, rank: int, epoch: int, then: Callable[[int], Any] | None = None
) -> None:
    """Seeds one process of a data loader; ``then`` is the loader's own ``worker_init_fn``.

    The loader's own goes first, so that its seeds do not stay.
    """
    if then is not None:
        then(worker_id)
    seed_everything(seed, rank, _WORKER, epoch, worker_id)


@HOOKS.register_module()
class ReproducibleHook(Hook):
    """Makes the random state a function of seed, rank and step, so that a resumed run is exact.

    MMEngine saves no random state: after ``--resume`` flips, crops and sampled RoIs differ from
    those of the run that was never stopped. This hook reseeds Python, NumPy and torch before
    every epoch and iteration and before every fetch of a batch from ``(seed, rank, step)``, and the
    data loader's processes at every epoch from ``(seed, rank, epoch, worker)``. A run killed after
    an epoch's checkpoint and resumed from it then ends with the same bits as one that was not:
    parameters, optimizer and EMA (on a GPU as far as its kernels are deterministic:
    ``randomness=dict(deterministic=True)``). The seed is the runner's; where the config sets none,
    MMEngine draws one and a resumed run takes it from the checkpoint, the sampler included.

    The guarantee is for epoch checkpoints of the epoch-based loop with the same number of
    processes and workers. The iteration-based loop starts its workers before any hook runs and
    replays data on resuming; the hook says so once.

    Raises:
        ValueError: ``train_dataloader.persistent_workers=True``: such processes are started once
            and cannot be reseeded at an epoch.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner: Runner) -> None:
        """Checks the data loader, restores the sampler's seed, and seeds what precedes epoch 0."""
        loader = runner.train_dataloader
        if loader.num_workers > 0 and loader.persistent_workers:
            raise UserError(PERSISTENT_WORKERS)
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            runner.logger.warning(
                'ReproducibleHook: an iteration-based run is reproducible from its start, but one '
                'resumed from an iteration checkpoint may see other flips and crops. Use the '
                'epoch-based loop where a resumed run must end with the same bits.'
            )
        self._seed, self._rank = _base_seed(runner), get_rank()
        self._own_init_fn = loader.worker_init_fn
        _restore_sampler_seed(loader, self._seed)
        self._seed_main(_EPOCH, runner.epoch)

    def before_train_epoch(self, runner: Runner) -> None:
        """Seeds this process, and by ``worker_init_fn`` those that the epoch will start."""
        self._seed_main(_EPOCH, runner.epoch)
        runner.train_dataloader.worker_init_fn = partial(
            seed_worker,
            seed=self._seed,
            rank=self._rank,
            epoch=runner.epoch,
            then=self._own_init_fn,
        )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Seeds what the step draws: RoI samplers, dropout."""
        self._seed_main(_STEP, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Seeds what the next fetch draws in this process, where ``num_workers=0``."""
        self._seed_main(_FETCH, runner.iter)

    def after_train(self, runner: Runner) -> None:
        """Gives the data loader its own ``worker_init_fn`` back."""
        runner.train_dataloader.worker_init_fn = self._own_init_fn

    def _seed_main(self, stream: int, step: int) -> None:
        seed_everything(self._seed, self._rank, stream, step)


PERSISTENT_WORKERS = (
    'train_dataloader.persistent_workers=True does not go with ReproducibleHook: processes that '
    'outlive an epoch cannot be reseeded at its start, so a resumed run would differ. Set '
    'train_dataloader.persistent_workers=False, or take ReproducibleHook out of custom_hooks.'
)


def _base_seed(runner: Runner) -> int:
    """The seed that all ranks share; with ``diff_rank_seed`` MMEngine has added the rank to it."""
    own = runner.cfg.get('randomness', {}).get('diff_rank_seed', False)
    return int(runner.seed) - (get_rank() if own else 0)


def _restore_sampler_seed(loader: DataLoader, seed: int) -> None:
    """Gives the shuffling sampler the run's seed.

    It was built before the checkpoint was read. It holds another seed where the config sets none.
    """
    for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
        if hasattr(sampler, 'seed'):
            sampler.seed = seed
