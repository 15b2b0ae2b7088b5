"""Checkpoints that a kill cannot damage."""

import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook as HostCheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmkd.detectors.stages import Stage
from mmkd.registry import HOOKS
from mmkd.utils.atomic import ATOMIC_BACKEND, write_atomically
from mmkd.utils.errors import UserOSError


class _RemovalsNoted:
    """A file backend that notes what it is told to remove and removes nothing."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.noted: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        self.noted.append(path)

    rmtree = remove


@HOOKS.register_module()
class CheckpointHook(HostCheckpointHook):
    """MMEngine's CheckpointHook, which writes first and deletes afterwards.

    The host's deletes the oldest checkpoint (and the best one so far) before it writes the new
    one over its final name; a kill in between costs the run. This one writes to a temporary name
    in the same folder, flushes, moves, points ``last_checkpoint`` at the result in the same way,
    and only then deletes what ``max_keep_ckpts`` and ``save_best`` no longer want. The folder needs
    room for one checkpoint more than ``max_keep_ckpts``. A write error ends the run, names the
    file, and leaves every earlier checkpoint as it was; so do weights that a hook refuses to save
    (see :class:`NanGuardHook`). The other processes of the run end with the one that saves.

    Arguments are the host's. Storage other than a local folder (``s3://``) is written by its own
    backend; there only the order, write before delete, is changed.

    Use it as ``default_hooks = dict(checkpoint=dict(type='mmkd.CheckpointHook', ...))``.
    """

    file_backend: Any

    def before_train(self, runner: Runner) -> None:
        """Chooses the storage, as the host's; a local folder is then written atomically."""
        super().before_train(runner)
        if self.file_client_args is None and type(self.file_backend) is LocalBackend:
            self.backend_args = dict(backend=ATOMIC_BACKEND)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Writes the checkpoint of ``step`` (an epoch or iteration, 1-based), then prunes."""
        outdated = self._keep_step(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        with _all_or_none():
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                last = osp.join(runner.work_dir, 'last_checkpoint')
                write_atomically(self.last_ckpt.encode(), last)
        if is_main_process():
            self._remove(self.file_backend.join_path(self.out_dir, name) for name in outdated)

    def _keep_step(self, runner: Runner, step: int) -> list[str]:
        """Notes ``step`` among the kept ones; the names of the files that fall out by it."""
        if self.max_keep_ckpts <= 0:
            return []
        outdated = []
        # The same step is written twice where validation finds a new best.
        if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated.append(self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
            self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """The host's, with the best one so far deleted only once the new one is written.

        Epochs in which the task did not count (``stages`` of a DistillDetector) are no candidates.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        stage = getattr(model, 'stage', None)
        if isinstance(stage, Stage) and not stage.task:
            return
        with _all_or_none(), self._removals_last():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _removals_last(self) -> Iterator[None]:
        backend = self.file_backend
        self.file_backend = noting = _RemovalsNoted(backend)
        try:
            yield
        finally:
            self.file_backend = backend
        best = [getattr(self, 'best_ckpt_path', None)]
        best += getattr(self, 'best_ckpt_path_dict', {}).values()
        self._remove(path for path in noting.noted if path not in best)

    def _remove(self, paths: Iterator[str]) -> None:
        for path in paths:
            if self.file_backend.isfile(path):
                self.file_backend.remove(path)
            elif self.file_backend.isdir(path):  # DeepSpeed's checkpoints are folders
                self.file_backend.rmtree(path)


@contextmanager
def _all_or_none() -> Iterator[None]:
    """Ends every process where one cannot save, so that no other waits for it in the next step.

    Raises:
        OSError: In the other processes.
    """
    error = None
    try:
        yield
    except Exception as caught:
        error = caught
    failed = torch.tensor(float(error is not None))
    all_reduce(failed, 'max')
    if error is not None:
        raise error
    if failed:
        raise UserOSError('Another process could not save the checkpoint and says why; all stop.')
