"""One process a folder: two that write into the same one would spoil it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .errors import UserError

_TRAINING = '.training.lock'
_RANKS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
# Data loaders of a killed training outlive it by 5 seconds, and where filelock is older than 4
# they hold its lock.
_PATIENCE = 10.0


def hold(file: Path, patience: float = 0.0) -> FileLock | None:
    """Takes a lock for this process, until it is released or the process ends, however it ends.

    The file is made with its folder, and left there. None where another process has it and keeps
    it for ``patience`` seconds.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    return lock


@contextmanager
def only_training(work_dir: str, launcher: str) -> Iterator[None]:
    """Refuses a second training in a folder; of several processes of one the first asks.

    ``launcher`` started the processes of this training, ``'none'`` for one alone.
    """
    if os.environ.get(_RANKS.get(launcher, ''), '0') != '0':
        yield
        return
    file = Path(work_dir) / _TRAINING
    lock = hold(file, _PATIENCE)
    if lock is None:
        raise UserError(
            f'another training writes into {work_dir} (it holds {file}): wait until it has ended, '
            'or give this one another --work-dir.'
        )
    try:
        yield
    finally:
        lock.release()
