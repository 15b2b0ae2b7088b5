"""What came out: a table, curves, detections side by side, ``summary.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError
from mmkd.version import __version__
from mmkd.visualization import (
    draw_detections,
    draw_loss_curves,
    draw_metric_curves,
    read_run,
    save_figure,
)

from .fingerprint import read_marker
from .models import LoadedModel, load_model, sample_images
from .plan import DISTILLED, METRIC, STUDENT, TEACHER, Stage

_IMAGES = 4
# Of mAP; a share of a smaller gap is noise divided by noise.
_LEAST_GAP = 0.005
_LOSSES = {
    'loss': 'all losses',
    'loss_cls': 'RoI classification',
    'loss_bbox': 'RoI boxes',
    'loss_rpn_cls': 'RPN classification',
    'loss_rpn_bbox': 'RPN boxes',
    'loss_fgfi': 'feature imitation',
}


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes:
        title: The model.
        map: Mean AP at IoU 0.5 after the last epoch, in [0, 1].
        params: Parameters at inference.
        flops: Multiply-adds of one image at inference.
        step_seconds: Median time of a training step.
        train_seconds: Whole training, start and validation included.
        reused: Whether it was trained by an earlier call.
    """

    title: str
    map: float
    params: int
    flops: int
    step_seconds: float
    train_seconds: float
    reused: bool


def write_report(
    stages: Sequence[Stage], reused: Mapping[str, bool], out: Path, console: Console
) -> dict[str, Any]:
    """Evaluates finished stages, prints the table and writes the figures and ``summary.json``.

    Args:
        stages: Teacher, student alone, distilled student.
        reused: Whether each, by name, was trained by an earlier call.
        out: Folder to write into.
        console: For the table.

    Returns:
        What ``summary.json`` holds.
    """
    runs = {stage.title: read_run(stage.work_dir) for stage in stages}
    with console.status('detections and complexity'):
        models = {stage.name: load_model(stage, stages) for stage in stages}
        # One detector at inference, and its count depends a little on how many boxes it proposes.
        flops = {name: model.flops for name, model in models.items() if name != DISTILLED}
        flops[DISTILLED] = flops[STUDENT]
        results = {
            stage.name: _result(stage, models[stage.name].params, flops[stage.name], reused)
            for stage in stages
        }
        figures = {
            'learning_curves.png': draw_metric_curves(runs, METRIC, 'mAP at IoU 0.5'),
            'loss_curves.png': draw_loss_curves(runs, _LOSSES),
            'detections.png': _side_by_side(stages, models),
        }
        for name, figure in figures.items():
            save_figure(figure, out / name, force=True)
    gap = gap_closed(*(results[name].map for name in (TEACHER, STUDENT, DISTILLED)))
    console.print(_table(results, gap))
    summary = dict(
        version=__version__,
        metric=METRIC,
        gap_closed=gap,
        results={name: asdict(result) for name, result in results.items()},
        stages={stage.name: _describe(stage) for stage in stages},
        figures=list(figures),
    )
    write_atomically(json.dumps(summary, indent=2).encode(), out / 'summary.json')
    console.print(f'{", ".join(figures)} and summary.json in {out}', soft_wrap=True)
    return summary


def gap_closed(teacher: float, student: float, distilled: float) -> float | None:
    """(distilled - student) / (teacher - student); None where the teacher is hardly ahead."""
    gap = teacher - student
    return (distilled - student) / gap if gap >= _LEAST_GAP else None


def _result(stage: Stage, params: int, flops: int, reused: Mapping[str, bool]) -> Result:
    run, marker = read_run(stage.work_dir), read_marker(stage.work_dir)
    if METRIC not in run.val:
        raise UserError(f'{stage.title}: {stage.work_dir} logged no {METRIC}.')
    return Result(
        title=stage.title,
        map=run.val[METRIC][1][-1],
        params=params,
        flops=flops,
        step_seconds=median(run.train['time'][1]),
        train_seconds=marker.seconds if marker else 0.0,
        reused=reused[stage.name],
    )


def _describe(stage: Stage) -> dict[str, Any]:
    marker = read_marker(stage.work_dir)
    return dict(
        config=stage.config.relative_to(stage.configs).as_posix(),
        options=dict(stage.options),
        epochs=stage.epochs,
        checkpoint=stage.checkpoint.name,
        fingerprint=dict(marker.parts) if marker else {},
    )


def _table(results: Mapping[str, Result], gap: float | None) -> Table:
    table = Table(title='shapes, validation images')
    table.add_column('')
    for column in ('mAP', 'parameters', 'FLOPs', 'step', 'training'):
        table.add_column(column, justify='right')
    for result in results.values():
        table.add_row(
            result.title,
            f'{result.map:.3f}',
            f'{result.params / 1e6:.2f} M',
            f'{result.flops / 1e9:.2f} G',
            f'{result.step_seconds * 1000:.0f} ms',
            f'{result.train_seconds / 60:.1f} min',
        )
    table.caption = (
        'The teacher is hardly ahead of the student alone: there is no gap to close.'
        if gap is None
        else f'Gap closed: {gap:.0%} of the difference between student alone and teacher.'
    )
    return table


def _side_by_side(stages: Sequence[Stage], models: Mapping[str, LoadedModel]) -> Any:
    samples, names = sample_images(stages[0].load_config(), _IMAGES)
    columns = {s.title: [models[s.name].detect(sample.path) for sample in samples] for s in stages}
    images, truths = [s.image for s in samples], [s.truth for s in samples]
    return draw_detections(images, truths, columns, names)
