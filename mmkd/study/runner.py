"""Runs the jobs that are not finished, as many at a time as there are slots."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from filelock import FileLock
from rich.console import Console

from mmkd.utils.locks import hold
from mmkd.utils.processes import end_process

from . import launch, markers
from .jobs import Job
from .launch import Launcher
from .logs import was_evaluated
from .progress import Board, State

_POLL = 0.5


@dataclass
class _Run:
    job: Job
    marker: markers.Marker
    process: subprocess.Popen
    slot: dict[str, str]
    lock: FileLock
    before: float
    began: float = field(default_factory=time.monotonic)
    peak: int = 0


class Runner:
    """Runs jobs; each one's folder then says that it is finished.

    Attributes:
        reused: Indices of the jobs that were finished earlier.

    Args:
        jobs: All jobs of the study: those not selected may be needed by others.
        console: For messages and the table.
        slots: An environment for each run at a time; see :func:`mmkd.study.launch.find_slots`.
        launcher: What starts a run.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        console: Console,
        slots: Sequence[dict[str, str]],
        launcher: Launcher,
    ) -> None:
        self.jobs, self.console, self.launcher = jobs, console, launcher
        self.free = list(slots)
        self.failed: dict[int, str] = {}
        self.reused: set[int] = set()
        self.running: list[_Run] = []

    def run(self, selected: Sequence[Job]) -> dict[int, str]:
        """Runs what is not finished of ``selected``, in order.

        Returns:
            What went wrong, by job index; the other jobs went through.

        Raises:
            KeyboardInterrupt: Passed on after the children have been ended.
            FileExistsError: A run's folder holds foreign files.
        """
        waiting = list(selected)
        with Board(selected, self.console) as board:
            try:
                while waiting or self.running:
                    self._start_ready(waiting, board)
                    time.sleep(_POLL if self.running else 0)
                    for run in [run for run in self.running if self._ended(run)]:
                        self.running.remove(run)
                        self.free.append(run.slot)
                        state = State.FAILED if run.job.index in self.failed else State.FINISHED
                        board.set(run.job, state)
                    board.refresh()
            finally:
                for run in self.running:
                    end_process(run.process)
                for run in self.running:
                    self._note(run)
        return self.failed

    def _start_ready(self, waiting: list[Job], board: Board) -> None:
        if not self.free:
            return  # a fingerprint reads checkpoints: not at every poll
        for job in list(waiting):
            if job.needs in {*(run.job.index for run in self.running), *(j.index for j in waiting)}:
                continue
            if not self._may_start(job):
                waiting.remove(job)
                board.set(job, State.FAILED)
                continue
            parts = markers.fingerprint(job)
            if markers.is_finished(job, parts):
                waiting.remove(job)
                self.reused.add(job.index)
                board.set(job, State.REUSED)
            elif self.free:
                waiting.remove(job)
                self._start(job, parts, board)

    def _may_start(self, job: Job) -> bool:
        """Whether the job that this one needs went through."""
        if job.needs is None:
            return True
        needed = self.jobs[job.needs]
        marker = markers.read_marker(needed.work_dir)
        if needed.index not in self.failed and marker is not None and marker.finished:
            return True
        self.failed[job.index] = f'needs {needed.name} (job {needed.index}), which is not finished'
        return False

    def _start(self, job: Job, parts: dict[str, str], board: Board) -> None:
        lock = hold(job.lock_file)
        if lock is None:
            self.failed[job.index] = (
                f'another process runs it now (it holds {job.lock_file}): call again when '
                'that has ended'
            )
            board.set(job, State.FAILED)
            return
        reason = markers.stale_reason(job, parts)
        if reason is not None:
            self.console.print(f'{job.name}: {reason}; it is run again.', soft_wrap=True)
        marker = markers.prepare_folder(job, parts, anew=reason is not None)
        slot = self.free.pop(0)
        process = launch.start(job, slot, self.launcher)
        self.running.append(_Run(job, marker, process, slot, lock, marker.seconds))
        board.set(job, State.RUNNING if marker.starts == 1 else State.RESUMED)

    def _ended(self, run: _Run) -> bool:
        """Whether the run is over; keeps what its folder says of it up to date."""
        job, status = run.job, _poll(run)
        if status is None:
            return False
        if status == 0 and job.checkpoint.is_file() and was_evaluated(job):
            if job.epochs:  # of a training the last checkpoint is enough
                for path in {*job.work_dir.glob('*.pth')} - {job.checkpoint}:
                    path.unlink()
            run.marker.finished = True
        elif status == 0:
            self.failed[job.index] = f'ended without {job.checkpoint.name} or was not evaluated'
        else:
            self.failed[job.index] = f'exit status {status}; {launch.tail(job)}'
        self._note(run)
        return True

    def _note(self, run: _Run) -> None:
        marker = run.marker
        marker.seconds = run.before + time.monotonic() - run.began
        marker.peak_memory = max(marker.peak_memory, run.peak)
        markers.write_marker(run.job.work_dir, marker)
        run.lock.release()


def _poll(run: _Run) -> int | None:
    """The exit status, or None; notes the peak memory, which only ``wait4`` tells per child."""
    process = run.process
    if process.returncode is None and hasattr(os, 'wait4'):
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            run.peak = usage.ru_maxrss * 1024  # Linux counts kibibytes
        return process.returncode
    return process.poll()
