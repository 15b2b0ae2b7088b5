"""Trains the stages in processes of their own, as many at a time as there are slots."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from mmkd.utils.errors import UserOSError
from mmkd.utils.processes import end_process

from .fingerprint import Marker, clear, fingerprint, stale_reason, write_marker
from .plan import Stage
from .progress import StageProgress

LOG = 'output.txt'
_TAIL = 25
_POLL = 0.5


class StageFailedError(UserOSError, ChildProcessError):
    """A training run ended with an error; the message ends with what it printed last."""


@dataclass
class _Run:
    stage: Stage
    parts: Mapping[str, str]
    process: subprocess.Popen
    started: float = field(default_factory=time.monotonic)


def run_stages(
    stages: Sequence[Stage], train_script: Path, console: Console, slots: int = 2
) -> dict[str, bool]:
    """Trains what is not finished yet.

    Args:
        stages: In an order in which each comes after those that it needs.
        train_script: ``tools/train.py``.
        console: For messages and the progress bars.
        slots: Runs at a time, of one thread each.

    Returns:
        Whether each stage, by name, was reused.

    Raises:
        StageFailedError: A run failed; the others have been ended.
        FileExistsError: A stage's folder holds foreign files.
    """
    parts: dict[str, dict[str, str]] = {}
    waiting: list[Stage] = []
    for stage in stages:
        parts[stage.name] = fingerprint(stage, {name: parts[name] for name in stage.needs})
        reason = stale_reason(stage, parts[stage.name])
        if reason is None:
            console.print(f'{stage.title}: finished earlier, reused.')
        else:
            console.print(f'{stage.title}: {reason}; training {stage.epochs} epochs.')
            waiting.append(stage)
    trained = [stage.name for stage in waiting]
    running: list[_Run] = []
    try:
        with StageProgress(list(waiting), console) as progress:
            while waiting or running:
                _start_ready(waiting, running, parts, train_script, slots)
                time.sleep(_POLL)
                for run in [run for run in running if _ended(run)]:
                    running.remove(run)
                    progress.finish(run.stage)
                progress.update()
    finally:
        for run in running:
            end_process(run.process)
    return {stage.name: stage.name not in trained for stage in stages}


def _start_ready(
    waiting: list[Stage],
    running: list[_Run],
    parts: Mapping[str, Mapping[str, str]],
    script: Path,
    slots: int,
) -> None:
    unfinished = {stage.name for stage in waiting} | {run.stage.name for run in running}
    for stage in list(waiting):
        if len(running) < slots and not unfinished & set(stage.needs):
            waiting.remove(stage)
            running.append(_start(stage, parts[stage.name], script))


def _start(stage: Stage, parts: Mapping[str, str], script: Path) -> _Run:
    clear(stage)
    stage.work_dir.mkdir(parents=True)
    write_marker(stage.work_dir, Marker(dict(parts)))
    options = [f'{key}={value}' for key, value in stage.cfg_options.items()]
    command = [sys.executable, '-W', 'ignore', str(script), str(stage.config)]
    command += ['--work-dir', str(stage.work_dir), '--cfg-options', *options]
    # The two runs share the cores: a thread each does more than two that wait for one another.
    one_thread = {f'{name}_NUM_THREADS': '1' for name in ('OMP', 'MKL', 'OPENBLAS')}
    with open(stage.work_dir / LOG, 'wb') as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **one_thread},
            start_new_session=True,  # its data loaders can be ended with it
        )
    return _Run(stage, parts, process)


def _ended(run: _Run) -> bool:
    """Whether the run is over; writes the marker of one that went well."""
    status = run.process.poll()
    if status is None:
        return False
    stage = run.stage
    if status == 0 and not stage.checkpoint.is_file():
        raise StageFailedError(_report(stage, f'ended without writing {stage.checkpoint.name}'))
    if status != 0:
        raise StageFailedError(_report(stage, f'failed with exit status {status}'))
    seconds = time.monotonic() - run.started
    write_marker(stage.work_dir, Marker(dict(run.parts), finished=True, seconds=seconds))
    return True


def _report(stage: Stage, what: str) -> str:
    log = stage.work_dir / LOG
    lines = log.read_text(errors='replace').splitlines()[-_TAIL:]
    return f'{stage.title} {what}. The end of {log}:\n  ' + '\n  '.join(lines)
