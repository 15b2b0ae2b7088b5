"""One process a run: two that write the same folder would spoil it."""

from pathlib import Path

from filelock import FileLock, Timeout

from .jobs import Job


def hold(job: Job) -> FileLock | None:
    """Takes the run for this process, until the lock is released or the process ends.

    The lock's file stands beside the run's folder, as that may be deleted and made again.

    Args:
        job: What is about to be looked at and run.

    Returns:
        The lock, or None where another process has it.
    """
    lock = FileLock(lock_file(job))
    lock_file(job).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def lock_file(job: Job) -> Path:
    """The file that :func:`hold` locks."""
    return job.work_dir.with_name(f'.{job.work_dir.name}.lock')
