"""How a job becomes a process, on which device, and with which launcher."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from .jobs import TEST, Job
from .markers import CONFIG, OUTPUT

_PACKAGE = Path(__file__).resolve().parents[1]
# Beside the package in a checkout, inside it in a wheel.
TOOLS = next(
    (
        folder
        for folder in (_PACKAGE.parent / 'tools', _PACKAGE / '.mim' / 'tools')
        if (folder / 'train.py').is_file()
    ),
    _PACKAGE.parent / 'tools',
)
LAUNCHERS = ('none', 'pytorch', 'slurm')
_THREADS = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS')
# Of torchrun: where processes meet is said by hand.
_MEETING = ('--master', '--rdzv', '--nnodes', '--standalone')
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Launcher:
    """What stands before ``tools/train.py``.

    Attributes:
        kind: ``'none'``: the process itself; ``'pytorch'``: torchrun; ``'slurm'``: srun.
        processes: Of one run, on one machine for torchrun.
        arguments: More words for torchrun or srun.
    """

    kind: str = 'none'
    processes: int = 1
    arguments: str = ''

    def prefix(self) -> list[str]:
        """The command up to the script's name."""
        extra = shlex.split(self.arguments)
        python = [sys.executable, '-W', 'ignore']
        if self.kind == 'pytorch':
            # One machine: any free port, so that two runs at a time do not meet on one.
            alone = [] if any(word.startswith(_MEETING) for word in extra) else ['--standalone']
            module = [*python, '-m', 'torch.distributed.run', *alone]
            return [*module, '--nproc-per-node', str(self.processes), *extra]
        if self.kind == 'slurm':
            tasks = ['--ntasks', str(self.processes), '--kill-on-bad-exit=1']
            return ['srun', *tasks, *extra, *python, '-u']
        return python


def find_slots(jobs: int | None, launcher: Launcher) -> list[dict[str, str]]:
    """One environment for each run at a time.

    A GPU takes one run (or ``launcher.processes`` GPUs do); without GPUs every core takes one, of
    one thread. What ``srun`` allocates is its own business: there ``jobs`` says it, by default 1.

    Args:
        jobs: At most so many; None: as many as there is room for.
        launcher: What starts a run.
    """
    if launcher.kind == 'slurm':
        return [{} for _ in range(jobs or 1)]
    gpus = _visible_gpus()
    if gpus:
        size = launcher.processes
        groups = [gpus[i : i + size] for i in range(0, len(gpus) - size + 1, size)]
        slots = [{'CUDA_VISIBLE_DEVICES': ','.join(group)} for group in groups or [gpus]]
        return slots[:jobs]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    room = max(1, (cores or 1) // launcher.processes)
    return [dict.fromkeys(_THREADS, '1') for _ in range(jobs or room)]


def _visible_gpus() -> list[str]:
    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    count = torch.cuda.device_count()
    return named.split(',')[:count] if named and count else [str(i) for i in range(count)]


def command(job: Job, launcher: Launcher) -> list[str]:
    """The command line of a job.

    Training resumes from what is there. Where the last epoch's checkpoint is there already (the
    run was stopped while it was being validated), only the test is left.
    """
    config = str(job.work_dir / CONFIG)
    options = ['--work-dir', str(job.work_dir), '--launcher', launcher.kind]
    if job.kind == TEST or job.checkpoint.is_file():
        return [*launcher.prefix(), str(TOOLS / 'test.py'), config, str(job.checkpoint), *options]
    return [*launcher.prefix(), str(TOOLS / 'train.py'), config, *options, '--resume']


def start(job: Job, slot: dict[str, str], launcher: Launcher) -> subprocess.Popen:
    """Starts a job's process; what it prints is added to its output file."""
    with open(job.work_dir / OUTPUT, 'ab') as log:
        return subprocess.Popen(
            command(job, launcher),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **slot},
            start_new_session=True,  # its data loaders can be ended with it
            preexec_fn=_dies_with_parent(),
        )


def _dies_with_parent() -> Callable[[], object] | None:
    """On Linux a child ends when this process is killed, so that a restart finds no other writer.

    Looked up before the fork: between fork and exec only the call itself is made.
    """
    if not sys.platform.startswith('linux'):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def tail(job: Job, lines: int = 15) -> str:
    """What a job printed last, and where all of it is."""
    path = job.work_dir / OUTPUT
    end = path.read_text(errors='replace').splitlines()[-lines:]
    return '\n  '.join([f'the end of {path}:', *end])
