"""What runs logged: metrics, losses, times, over all starts of a run."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from mmkd.utils.errors import UserError
from mmkd.visualization.curves import RunScalars, read_run

from .jobs import Job

_STEP = re.compile(
    r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?eta: ((?:\d+ days?, )?\d+:\d+:\d+)'
)
_TAIL = 20_000
# Wanted first; other data sets have <prefix>/mAP or <prefix>/bbox_mAP.
_METRICS = ('pascal_voc/mAP', 'coco/bbox_mAP')
_ENDINGS = ('/mAP', '/bbox_mAP')
# What validation logs beside metrics.
_NO_METRIC = ('data_time', 'time')


@dataclass(frozen=True)
class Position:
    """How far a training is.

    Attributes:
        epoch: Current epoch, from 1.
        done: Share of all steps, in [0, 1].
        seconds_left: As MMEngine estimates it.
    """

    epoch: int
    done: float
    seconds_left: float


def read_position(output: Path, epochs: int) -> Position | None:
    """The last position that a training process printed; None where it printed none."""
    try:
        with open(output, 'rb') as file:
            file.seek(max(0, output.stat().st_size - _TAIL))
            text = file.read().decode(errors='replace')
    except OSError:
        return None
    found = _STEP.findall(text)
    if not found:
        return None
    epoch, step, steps, left = found[-1]
    done = (int(epoch) - 1 + int(step) / int(steps)) / max(epochs, 1)
    return Position(int(epoch), done, _seconds(left))


def _seconds(text: str) -> float:
    days, _, clock = text.rpartition(', ')
    hours, minutes, seconds = (int(part) for part in clock.split(':'))
    return int(days.split()[0] if days else 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def read_scalars(work_dir: Path) -> RunScalars:
    """All that a run logged; where it was resumed, what the later start logged for a step."""
    merged = RunScalars()
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        run = read_run(log)
        for mine, its in ((merged.train, run.train), (merged.val, run.val)):
            if not its:  # stopped before it logged any
                continue
            first = min(steps[0] for steps, _ in its.values())
            for name, (steps, values) in mine.items():
                kept = sum(step < first for step in steps)
                mine[name] = steps[:kept], values[:kept]
            for name, (steps, values) in its.items():
                old_steps, old_values = mine.get(name, ([], []))
                mine[name] = old_steps + steps, old_values + values
    return merged


def was_evaluated(job: Job) -> bool:
    """Whether the final weights were evaluated; COCO's metric is silent where nothing is found."""
    steps = read_scalars(job.work_dir).val.get('time', ([], []))[0]
    return bool(final_metrics(job) or _test_files(job.work_dir) or job.epochs in steps)


def final_metrics(job: Job) -> dict[str, float]:
    """Metrics of the final weights: of a test after training, or of the last epoch's validation."""
    tested = metrics_of_test(job.work_dir)
    if tested:
        return tested
    return {
        name: values[-1]
        for name, (steps, values) in read_scalars(job.work_dir).val.items()
        if steps and steps[-1] == job.epochs and name not in _NO_METRIC
    }


def _test_files(work_dir: Path) -> list[Path]:
    """What tests wrote, the newest last: ``START/START.json``."""
    return [path for path in sorted(work_dir.glob('*/*.json')) if path.stem == path.parent.name]


def metrics_of_test(work_dir: Path) -> dict[str, float]:
    """What the newest test in a folder measured; empty without one.

    Raises:
        ValueError: Its file holds no metrics.
    """
    files = _test_files(work_dir)
    if not files:
        return {}
    try:
        return {
            name: float(value)
            for name, value in json.loads(files[-1].read_bytes()).items()
            if name not in _NO_METRIC and isinstance(value, (int, float))
        }
    except (AttributeError, OverflowError, RecursionError, ValueError) as error:
        raise UserError(
            f'{files[-1]} does not hold the metrics of a test ({error}): delete it to have it '
            'made anew.'
        ) from error


def find_metric(wanted: str, metrics: dict[str, float]) -> str:
    """The name of the metric to compare by: ``wanted``; of ``'auto'`` VOC's mAP, COCO's or alike.

    Raises:
        ValueError: There is none of that name, or none that looks like an mAP.
    """
    if wanted != 'auto':
        if wanted not in metrics:
            raise UserError(f'metric={wanted!r} was not logged; there are {sorted(metrics)}.')
        return wanted
    for name in (*_METRICS, *metrics):
        if name in metrics and name.endswith(_ENDINGS):
            return name
    raise UserError(f"no mAP among {sorted(metrics)}: name one with metric='...'.")


def per_class(metric: str, metrics: dict[str, float]) -> dict[str, float]:
    """AP by class, as VOCFolderMetric and COCO's ``classwise=True`` log it; empty for others."""
    prefix = metric.rsplit('/', 1)[0] + '/'
    found = {}
    for name, value in metrics.items():
        rest = name.removeprefix(prefix) if name.startswith(prefix) else ''
        if rest.startswith('AP_') or rest.endswith('_precision'):
            found[rest.removeprefix('AP_').removesuffix('_precision')] = value
    return found
