"""One process a run: two that write the same folder would spoil it."""

from pathlib import Path

from filelock import FileLock

from mmkd.utils import locks

from .jobs import Job


def hold(job: Job) -> FileLock | None:
    """Takes the run for this process, until the lock is released or the process ends.

    Args:
        job: What is about to be looked at and run.

    Returns:
        The lock, or None where another process has it.
    """
    return locks.hold(lock_file(job))


def lock_file(job: Job) -> Path:
    """The file that :func:`hold` locks: beside the run's folder, which may be made again."""
    return job.work_dir.with_name(f'.{job.work_dir.name}.lock')
