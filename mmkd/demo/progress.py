"""Progress bars of runs in other processes, read from what they log."""

from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mmkd.visualization.curves import read_run

from .plan import DISTILLED, STUDENT, TEACHER, Stage

# A distilled step is a student's, and the teacher's forward pass: about a third of its step.
_FORWARD_SHARE = 0.35


class StageProgress:
    """A bar for each stage and the time that is left for all.

    Args:
        stages: Those to be trained.
        console: Where to draw.
    """

    def __init__(self, stages: Sequence[Stage], console: Console) -> None:
        self.stages = stages
        self.pace: dict[str, float] = {}  # seconds a step
        self.done = {stage.name: 0 for stage in stages}
        self.bars = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn('{task.fields[left]}'),
            console=console,
        )
        self.tasks = {
            stage.name: self.bars.add_task(
                stage.title, total=stage.iterations, start=False, left=''
            )
            for stage in stages
        }
        steps = sum(stage.iterations for stage in stages)
        self.whole = self.bars.add_task('all steps', total=steps, left='', visible=steps > 0)

    def __enter__(self) -> 'StageProgress':
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def update(self) -> None:
        """Reads the logs and redraws."""
        for stage in self.stages:
            self._read(stage)
            self.bars.update(self.tasks[stage.name], completed=self.done[stage.name])
        left = seconds_left(self.stages, self.done, self.pace)
        text = '' if left is None else f'about {timedelta(seconds=round(left))} left'
        self.bars.update(self.whole, completed=sum(self.done.values()), left=text)

    def finish(self, stage: Stage) -> None:
        """Fills the bar of a stage that has ended; its last steps may not be logged."""
        self.done[stage.name] = stage.iterations
        self.pace.setdefault(stage.name, 0.0)

    def _read(self, stage: Stage) -> None:
        try:
            steps, times = read_run(stage.work_dir).train['time']
        except (FileNotFoundError, KeyError):
            return
        if stage.name not in self.pace:
            self.bars.start_task(self.tasks[stage.name])
        self.done[stage.name] = max(self.done[stage.name], steps[-1])
        self.pace[stage.name] = sum(times[-5:]) / len(times[-5:])


def seconds_left(
    stages: Sequence[Stage], done: dict[str, int], pace: dict[str, float]
) -> float | None:
    """Time until the last stage is finished, or None while too little is known.

    Args:
        stages: Those to be trained, each after those that it needs.
        done: Steps done, by stage.
        pace: Seconds a step, by stage; a stage that has not begun may be missing.
    """
    known = dict(pace)
    if DISTILLED not in known and TEACHER in known and STUDENT in known:
        known[DISTILLED] = known[STUDENT] + _FORWARD_SHARE * known[TEACHER]
    finish: dict[str, float] = {}
    for stage in stages:
        if stage.name not in known:
            return None
        wait = max((finish.get(name, 0.0) for name in stage.needs), default=0.0)
        finish[stage.name] = wait + (stage.iterations - done[stage.name]) * known[stage.name]
    return max(finish.values(), default=0.0)
