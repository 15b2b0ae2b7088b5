"""The live table: a line a job, and the time that is left for all."""

import time
from collections.abc import Sequence
from datetime import timedelta
from enum import Enum
from statistics import median

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .jobs import Job
from .logs import Position, read_position
from .markers import OUTPUT, read_marker

_EVERY = 2.0  # seconds between two looks at the logs


class State(Enum):
    """Of a job; the value is what the table shows."""

    WAITING = 'waiting'
    RUNNING = 'running'
    RESUMED = 'resumed'
    FINISHED = 'finished'
    REUSED = 'reused'
    FAILED = 'failed'


_ACTIVE = (State.RUNNING, State.RESUMED)
_COLOURS = {State.FAILED: 'red', State.FINISHED: 'green', State.REUSED: 'green'}


class Board:
    """Shows jobs on a console; without a terminal it prints a line at each change of state.

    Args:
        jobs: Those to be run.
        console: Where to draw.
    """

    def __init__(self, jobs: Sequence[Job], console: Console) -> None:
        self.jobs, self.console = jobs, console
        self.states = {job.index: State.WAITING for job in jobs}
        self.positions: dict[int, Position | None] = {}
        self.began: dict[int, float] = {}
        self.seconds: dict[str, list[float]] = {}
        self.looked = 0.0
        # No thread of its own: children are forked from this process.
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> 'Board':
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.refresh(now=True)
            self.live.stop()

    def set(self, job: Job, state: State) -> None:
        """Notes a job's new state."""
        self.states[job.index] = state
        if state in _ACTIVE:
            self.began[job.index] = time.monotonic()
        marker = read_marker(job.work_dir)
        if state in (State.FINISHED, State.REUSED) and marker is not None:
            self.seconds.setdefault(job.arm, []).append(marker.seconds)
        if not self.live:
            left = self.seconds_left()
            note = '' if left is None or left == 0 else f' (all: about {_clock(left)} left)'
            self.console.print(f'[{job.index}] {job.name}: {state.value}{note}', markup=False)

    def refresh(self, now: bool = False) -> None:
        """Reads the logs of running jobs, at most every two seconds, and redraws."""
        if not now and time.monotonic() - self.looked < _EVERY:
            return
        self.looked = time.monotonic()
        for job in self.jobs:
            if self.states[job.index] in _ACTIVE:
                self.positions[job.index] = read_position(job.work_dir / OUTPUT, job.epochs)
        if self.live:
            self.live.update(self.render(), refresh=True)

    def render(self) -> Group:
        """Table and the line below it."""
        table = Table(box=None, padding=(0, 1))
        for column in ('job', 'run', 'state', 'epoch', '', 'left'):
            table.add_column(column, justify='right' if column in ('job', 'epoch') else 'left')
        for job in self.jobs:
            state = self.states[job.index]
            position = self.positions.get(job.index) if state in _ACTIVE else None
            done = float(state in (State.FINISHED, State.REUSED))
            table.add_row(
                str(job.index),
                job.name,
                Text(state.value, style=_COLOURS.get(state, '')),
                f'{position.epoch}/{job.epochs}' if position else '',
                ProgressBar(total=1.0, completed=position.done if position else done, width=24),
                _clock(position.seconds_left) if position else '',
            )
        left = self.seconds_left()
        over = sum(self.states[job.index] not in (State.WAITING, *_ACTIVE) for job in self.jobs)
        text = '' if left is None else f', about {_clock(left)} left'
        return Group(table, Text(f'{over} of {len(self.jobs)} jobs done{text}'))

    def seconds_left(self) -> float | None:
        """Until the last job ends, or None while nothing is known; waiting jobs fill free slots."""
        ends = []
        known = [second for seconds in self.seconds.values() for second in seconds]
        for job in self.jobs:
            if self.states[job.index] in _ACTIVE:
                position = self.positions.get(job.index)
                if position is not None:
                    ends.append(position.seconds_left)
                    ran = time.monotonic() - self.began[job.index]
                    known.append(ran + position.seconds_left)
        waiting = [job for job in self.jobs if self.states[job.index] is State.WAITING]
        if not waiting:
            return max(ends, default=0.0 if known else None)
        if not known:
            return None
        slots = sorted(ends) or [0.0]
        for job in waiting:
            own = self.seconds.get(job.arm)
            slots.sort()
            slots[0] += median(own or known)
        return max(slots)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
