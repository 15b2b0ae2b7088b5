"""How a job becomes a process, on which device, and with which launcher."""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserFileExistsError

from .jobs import TEST, TRAIN, Job
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


_SCRIPT = """#!/usr/bin/env bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --output={logs}/array_%a.txt
# One run a task. {hint}
# Partition, time and GPUs are options of sbatch, e.g. --partition=P --gres=gpu:1 --time=2:00:00.
# When all have ended, collect the results (nothing is run again):
#   {command} --collect
set -e
cd {folder}
exec {command} --only "${{SLURM_ARRAY_TASK_ID:?submit this file with sbatch}}"
"""
_TEACHER_GIVEN = 'Submit it with: sbatch {file}'
_TEACHER_FIRST = """Task 0 trains the teacher, and the others need it:
#   id=$(sbatch --parsable --array=0 {file})
#   sbatch --dependency=afterok:$id --array=1-{last} {file}"""


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
    one thread. ``jobs`` is the most there may be, None as many as there is room for. What ``srun``
    allocates is its own business: there ``jobs`` says it, by default 1.
    """
    if launcher.kind == 'slurm':
        return [{} for _ in range(jobs or 1)]
    count, named = torch.cuda.device_count(), os.environ.get('CUDA_VISIBLE_DEVICES')
    gpus = named.split(',')[:count] if named else [str(i) for i in range(count)]
    if gpus:
        size = launcher.processes
        groups = [gpus[i : i + size] for i in range(0, len(gpus) - size + 1, size)]
        slots = [{'CUDA_VISIBLE_DEVICES': ','.join(group)} for group in groups or [gpus]]
        return slots[:jobs]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    room = max(1, (cores or 1) // launcher.processes)
    return [dict.fromkeys(_THREADS, '1') for _ in range(jobs or room)]


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


def tail(job: Job) -> str:
    """The last 15 lines that a job printed, and where all of them are."""
    path = job.work_dir / OUTPUT
    return '\n  '.join(
        [f'the end of {path}:', *path.read_text(errors='replace').splitlines()[-15:]]
    )


def write_job_array(
    path: Path, name: str, jobs: Sequence[Job], arguments: Sequence[str], logs: Path
) -> Path:
    """Writes a Slurm job array of a study: one task per run; a further call collects the results.

    ``arguments`` are the words of the command line that describe the study, the script's name
    first; what the tasks print goes to ``logs``.

    Raises:
        FileExistsError: The file exists.
    """
    if path.exists():
        raise UserFileExistsError(f'{path} exists: name another file, or delete it.')
    last = len(jobs) - 1
    text = _SCRIPT.format(
        name=name,
        last=last,
        hint=(_TEACHER_FIRST if jobs[0].kind == TRAIN else _TEACHER_GIVEN).format(
            file=path, last=last
        ),
        command=shlex.join([sys.executable, *arguments]),
        folder=shlex.quote(str(Path.cwd())),
        logs=shlex.quote(str(logs)),
    )
    logs.mkdir(parents=True, exist_ok=True)
    write_atomically(text.encode(), path)
    path.chmod(0o755)
    return path
