"""The demonstration of ``tools/demo.py``: a study of one seed on drawn shapes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import mmkd
from mmkd.datasets.shapes import ShapesConfig, shapes_fingerprint
from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserChildProcessError
from mmkd.utils.types import Entries, Setting
from mmkd.version import __version__
from mmkd.visualization import draw_loss_curves, draw_metric_curves, save_figure

from .jobs import Job, make_jobs
from .launch import Launcher, find_slots
from .logs import read_scalars
from .markers import versions
from .models import Inspection
from .plan import Study, read_study
from .results import NO_GAP, collect
from .runner import Runner
from .table import share

_DISTILLED = 'distilled'
_METHOD = dict(title='distilled student', methods=[dict(type='mmkd.FGFI')])
_IMAGES = 4
# Parts of mmkd in which no number of a training run comes about; a config holds all of a study.
_WITHOUT_EFFECT = ('study', 'visualization', 'testing', '.mim')
_LOSSES = {
    'loss': 'task losses together',
    'loss_cls': 'RoI classification',
    'loss_bbox': 'RoI boxes',
    'loss_rpn_cls': 'RPN classification',
    'loss_rpn_bbox': 'RPN boxes',
    'loss_fgfi': 'feature imitation',
}


@dataclass(frozen=True)
class Profile:
    """One size of the demonstration: its images, and epochs, None for those of the configs."""

    data: ShapesConfig
    epochs: int | None
    val_interval: int


PROFILES = {
    'standard': Profile(ShapesConfig(), epochs=None, val_interval=2),
    'quick': Profile(ShapesConfig(train=48, val=16), epochs=2, val_interval=1),
    'full': Profile(ShapesConfig(train=1000, val=250), epochs=12, val_interval=1),
}


def demo_study(profile: Profile, file: Path, work_dir: Path, seed: int) -> Study:
    """Teacher, student alone and distilled student; the drawn set lies in ``work_dir/data``.

    ``file`` is a study file that names teacher and student, ``seed`` that of all three trainings.
    """
    data = work_dir / 'data'
    options: Entries = {
        f'{split}_dataloader.dataset.data_root': str(data) for split in ('train', 'val', 'test')
    }
    options['train_cfg.val_interval'] = profile.val_interval
    # Settings that nothing reads: a run is made again when they change.
    options.update(drawn_images=shapes_fingerprint(data), code=code_version())
    if profile.epochs is not None:
        # The warm-up counts steps: at most a tenth of a short run, whose batches are of two.
        steps = profile.epochs * -(-profile.data.train // 2)
        options['param_scheduler.0.end'] = min(100, max(steps // 10, 1))
    settings = dict(
        teacher=dict(checkpoint=None, max_epochs=profile.epochs),
        methods={_DISTILLED: _METHOD},
        seeds=[seed],
        max_epochs=profile.epochs,
        work_dir=str(work_dir),
        cfg_options=options,
    )
    return read_study(file, settings)


def code_version() -> str:
    """SHA-256 over the sources of mmkd that training runs, and with what they run."""
    root = Path(mmkd.__file__).parent
    hosts = {name: text for name, text in versions().items() if name != 'code'}
    digest = hashlib.sha256(json.dumps(hosts).encode())
    for path in sorted(root.rglob('*.py')):
        inner = path.relative_to(root)
        if inner.parts[0] not in _WITHOUT_EFFECT:
            digest.update(inner.as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def run_demo(study: Study, console: Console, slots: int) -> Entries:
    """Trains what is not finished, ``slots`` at a time, and reports what ``summary.json`` holds.

    Raises:
        ChildProcessError: A training failed; the message ends with what it printed last.
        FileExistsError: The folder of a training holds foreign files.
    """
    jobs = make_jobs(study)
    runner = Runner(jobs, console, find_slots(slots, Launcher()), Launcher())
    failed = runner.run(jobs)
    if failed:
        lines = [f'{jobs[i].name}: {why}' for i, why in failed.items()]
        raise UserChildProcessError('\n'.join(lines))
    return _report(study, jobs, runner.reused, console)


def _report(study: Study, jobs: Sequence[Job], reused: set[int], console: Console) -> Entries:
    outcome, out = collect(study, jobs), study.work_dir
    logs = {job.title: read_scalars(job.work_dir) for job in jobs}
    with console.status('detections and complexity'):
        seen = Inspection(jobs, _IMAGES)
        figures = {
            'learning_curves.png': draw_metric_curves(logs, outcome['metric'], 'mAP at IoU 0.5'),
            'loss_curves.png': draw_loss_curves(logs, _LOSSES),
            'detections.png': seen.draw(logs),
        }
        for name, figure in figures.items():
            save_figure(figure, out / name, force=True)
    arms = outcome['arms']
    summary = dict(
        version=__version__,
        metric=outcome['metric'],
        gap_closed=arms[_DISTILLED]['paired']['gap_closed'],
        results={
            job.arm: dict(
                title=job.title,
                map=arms[job.arm]['summary']['mean'],
                params=seen.costs[job.arm]['parameters'],
                flops=seen.costs[job.arm]['flops'],
                step_seconds=arms[job.arm]['step_seconds'],
                train_seconds=arms[job.arm]['wall_seconds'],
                reused=job.index in reused,
            )
            for job in jobs
        },
        stages={run['arm']: run for run in outcome['runs']},
        figures=list(figures),
    )
    console.print(_table(summary['results'], summary['gap_closed']))
    write_atomically(json.dumps(summary, indent=2).encode(), out / 'summary.json')
    console.print(f'{", ".join(figures)} and summary.json in {out}', soft_wrap=True)
    return summary


def _table(results: Mapping[str, Setting], gap: float | None) -> Table:
    table = Table(title='shapes, validation images')
    table.add_column('')
    for column in ('mAP', 'parameters', 'FLOPs', 'step', 'training'):
        table.add_column(column, justify='right')
    for result in results.values():
        table.add_row(
            result['title'],
            f'{result["map"]:.3f}',
            f'{result["params"] / 1e6:.2f} M',
            f'{result["flops"] / 1e9:.2f} G',
            f'{result["step_seconds"] * 1000:.0f} ms',
            f'{result["train_seconds"] / 60:.1f} min',
        )
    table.caption = (
        NO_GAP
        if gap is None
        else f'Gap closed: {share(gap)} of the difference between student alone and teacher.'
    )
    return table
