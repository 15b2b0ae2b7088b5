"""Whole training runs of tiny models, in processes of their own."""

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmkd.registry import HOOKS

_PIPELINE = (
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(96, 64), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackDetInputs'),
)


@HOOKS.register_module()
class KillHook(Hook):
    """Sends the process a signal before iteration ``at_iter`` (0-based) is run."""

    def __init__(self, at_iter: int, sign: int = signal.SIGKILL) -> None:
        self.at_iter, self.sign = at_iter, sign

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Kills, when it is time."""
        if runner.iter == self.at_iter:
            os.kill(os.getpid(), self.sign)


def _loader(
    data_root: Path, pipeline: tuple, num_workers: int, shuffle: bool, **kw: object
) -> dict:
    return dict(
        batch_size=2,
        num_workers=num_workers,
        persistent_workers=False,
        sampler=dict(type='DefaultSampler', shuffle=shuffle),
        dataset=dict(
            type='CocoDataset',
            data_root=str(data_root),
            ann_file='annotations.json',
            data_prefix=dict(img='images/'),
            metainfo=dict(classes=('class0', 'class1', 'class2')),
            pipeline=list(pipeline),
            **kw,
        ),
    )


def tiny_run_cfg(
    data_root: str | Path,
    work_dir: str | Path,
    model: dict,
    epochs: int = 3,
    num_workers: int = 2,
    validate: bool = False,
    hooks: tuple[dict, ...] = (),
    **kw: object,
) -> Config:
    """A runner's whole config on the data of :func:`write_tiny_coco`, with every hook of mmkd.

    The model has three classes; with ``unlabelled`` set, half of six images keep their labels, and
    all of them come without. An epoch of six images has three steps; with ``validate``, COCO's bbox
    mAP on the same images follows each. ``hooks`` are more of them, ``kw`` replaces entries.
    """
    root = Path(data_root)
    loader = _loader(root, _PIPELINE, num_workers, shuffle=True)
    if model.get('unlabelled') is not None:
        parts = dict(labelled=dict(loader['dataset'], indices=3), unlabelled=loader['dataset'])
        loader['dataset'] = dict(type='mmkd.WithUnlabelled', **parts)
        loader['sampler'] = dict(type='mmkd.UnlabelledSampler')
    cfg = dict(
        default_scope='mmdet',
        custom_imports=dict(imports=['mmkd', 'mmkd.testing.runs'], allow_failed_imports=False),
        model=model,
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=1),
        optim_wrapper=dict(
            type='OptimWrapper',
            optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4),
            clip_grad=dict(max_norm=10.0),
        ),
        param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5)],
        default_hooks=dict(
            checkpoint=dict(type='mmkd.CheckpointHook', interval=1),
            logger=dict(type='LoggerHook', interval=1),
        ),
        custom_hooks=[
            dict(type='mmkd.PlainCheckpointHook'),
            dict(type='mmkd.ReproducibleHook'),
            dict(type='mmkd.AdapterResumeHook'),
            *hooks,
        ],
        randomness=dict(seed=3),
        env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)),
        log_level='WARNING',
    )
    if validate:
        pipeline = (*_PIPELINE[:3], _PIPELINE[-1])
        evaluator = dict(type='CocoMetric', ann_file=str(root / 'annotations.json'), metric='bbox')
        cfg.update(
            val_dataloader=_loader(root, pipeline, 0, shuffle=False, test_mode=True),
            val_cfg=dict(type='ValLoop'),
            val_evaluator=evaluator,
        )
    return Config({**cfg, **kw})


def train(cfg: Config) -> None:
    """Builds the runner and trains."""
    with _plain_config_text():
        Runner.from_cfg(cfg).train()


@contextmanager
def _plain_config_text() -> Iterator[None]:
    """Leaves the text of configs as it is; laying it out takes longer than a tiny run's steps."""

    def unchanged(text: str, **_: object) -> tuple[str, bool]:
        return text, False

    # MMEngine imports it with the module, its OneDL fork when it is needed.
    with (
        patch('mmengine.config.config.FormatCode', unchanged, create=True),
        patch('yapf.yapflib.yapf_api.FormatCode', unchanged),
    ):
        yield


def start_process(
    function: Callable, *args: object, log: str | Path | None = None
) -> multiprocessing.process.BaseProcess:
    """Calls a module's function in a fresh process, which is to be joined.

    The process comes from a server that has mmkd imported, so that it starts in a moment.

    Function and arguments are pickled; an integer that it returns is the status, as is minus the
    number of a signal that ended the process. What it prints goes to ``log``, or nowhere.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmkd', 'mmkd.testing.runs'])
    target = str(log) if log is not None else os.devnull
    process = context.Process(target=_redirected, args=(target, function, *args))
    process.start()
    return process


def in_process(function: Callable, *args: object, log: str | Path | None = None) -> int:
    """:func:`start_process`, waited for; its status."""
    process = start_process(function, *args, log=log)
    process.join()
    return process.exitcode or 0


def in_two_processes(function: Callable, *args: object, log: str | Path) -> list[int]:
    """:func:`in_process` twice, as if torchrun had started the two; both exit statuses.

    ``_0`` and ``_1`` are added to the name of the log.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        meeting = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(probe.getsockname()[1]))
    with ThreadPoolExecutor(2) as pool:
        started = [
            pool.submit(
                in_process,
                _with_environment,
                dict(meeting, WORLD_SIZE='2', RANK=str(rank), LOCAL_RANK=str(rank)),
                function,
                *args,
                log=f'{log}_{rank}',
            )
            for rank in range(2)
        ]
        return [process.result() for process in started]


def _with_environment(environment: dict[str, str], function: Callable, *args: object) -> Any:
    os.environ.update(environment)
    return function(*args)


def _redirected(log: str, function: Callable, *args: object) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    # A shell that starts the tests in the background has Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    np.random.seed()  # the server's processes would all start with its random state
    with _plain_config_text():
        status = function(*args)
    sys.exit(status if isinstance(status, int) else 0)
