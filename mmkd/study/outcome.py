"""Writes what came out: ``study.json``, ``table.md``, ``report.html``, ``figures/*.png``."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mmkd.utils.atomic import write_atomically
from mmkd.utils.types import Entries
from mmkd.visualization import draw_imitation
from mmkd.visualization.curves import RunScalars

from . import figures
from .jobs import Job
from .logs import read_scalars
from .models import Inspection, imitation
from .plan import STUDENT, Study
from .record import Record
from .report import DPI, Figures, encode, render
from .results import collect
from .table import HEADER, markdown, rows

_IMAGES, _MASKED, _COLUMNS = 3, 2, 4
_SHOWN = ('model', 'seeds', 'mAP', 'difference', '95% interval of it', 'gap closed')


def write_outcome(study: Study, jobs: Sequence[Job], console: Console) -> Entries:
    """Collects finished runs, writes the files into the study's folder and prints the table.

    ``study.record`` is brought up to date with the runs that finished here.

    Returns:
        What ``study.json`` holds.

    Raises:
        ValueError: No run is finished.
    """
    record = Record(study.record)
    outcome = collect(study, jobs, record)
    folder = study.work_dir
    here = [run for run in outcome['runs'] if not run['recorded']]
    record.write(study.name, here)
    _write_numbers(outcome, study)  # at once: what follows takes a minute
    with console.status('cost, detections and masks'):
        pictures = _inspect(outcome, [jobs[run['index']] for run in here]) if here else {}
        plots = _plots(outcome)
        page = render(outcome, plots, pictures)
        (folder / 'figures').mkdir(exist_ok=True)
        for name, (figure, _) in {**plots, **pictures}.items():  # for slides and papers
            file = re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')
            write_atomically(encode(figure, 'png', dpi=DPI), folder / 'figures' / f'{file}.png')
    _write_numbers(outcome, study)
    write_atomically(page.encode(), folder / 'report.html')
    console.print(_rich_table(outcome))
    for note in outcome['warnings']:
        console.print(f'* {note}', markup=False, highlight=False)
    if outcome['missing']:
        console.print(f'* not finished: {", ".join(outcome["missing"])}', markup=False)
    console.print(f'study.json, table.md, report.html and figures in {folder}', soft_wrap=True)
    return outcome


def _write_numbers(outcome: Entries, study: Study) -> None:
    write_atomically(json.dumps(outcome, indent=1).encode(), study.work_dir / 'study.json')
    write_atomically(markdown(outcome).encode(), study.work_dir / 'table.md')


def _plots(outcome: Entries) -> Figures:
    arms, metric = outcome['arms'], outcome['metric']
    alone = arms[STUDENT]['title'] if STUDENT in arms else None
    runs: dict[str, list] = {arm['title']: [] for arm in arms.values()}
    for run in outcome['runs']:
        recorded = RunScalars(val=run['curves'])
        logs = recorded if run['recorded'] else read_scalars(Path(run['work_dir']))
        runs[run['title']].append(logs)
    costs = {name: arm for name, arm in arms.items() if 'flops' in arm}
    plots = {
        'Seeds and intervals': (
            figures.draw_results(arms, metric),
            'Open signs: one seed each. Filled: mean. Bar: 95% t interval. Dotted: the teacher.',
        ),
        'Learning curves': (
            figures.draw_learning(runs, metric, alone),
            'On the validation split.',
        ),
        'Accuracy and cost': (figures.draw_costs(arms, costs, metric), 'Bars: 95% intervals.'),
    }
    if any(log.train for logs in runs.values() for log in logs):
        caption = 'Training losses as logged (weighted), mean over seeds, smoothed.'
        plots['Loss curves'] = figures.draw_losses(runs, alone), caption
    return plots


def _inspect(outcome: Entries, finished: Sequence[Job]) -> Figures:
    """Pictures of what runs with weights find; notes in the outcome what their detectors cost."""
    seen = Inspection(finished, _IMAGES)
    for name, cost in seen.costs.items():
        outcome['arms'][name].update(cost)
    pictures = {}
    titles = list(seen.found)
    for start in range(0, len(titles), _COLUMNS):
        columns = titles[start : start + _COLUMNS]
        pictures[f'Detections: {", ".join(columns)}'] = (
            seen.draw(columns),
            "The first images of the validation split; of each model its first seed's weights. A "
            'name that would cover another is left out.',
        )
    for title, masked in imitation(finished, _MASKED).items():
        for image in masked:
            pictures[f'Where {title} imitates: {image.name}'] = (
                draw_imitation(*image.parts, offset=image.offset),
                'The same images; one panel per level of the pyramid.',
            )
    return pictures


def _rich_table(outcome: Entries) -> Table:
    """The columns that fit a terminal; ``table.md`` has the others."""
    table = Table(title=f'{outcome["study"]}: {outcome["metric"]}')
    columns = [HEADER.index(name) for name in _SHOWN]
    for name in _SHOWN:
        table.add_column(name, justify='left' if name == HEADER[0] else 'right')
    for row in rows(outcome):
        table.add_row(*(row[i] for i in columns))
    return table
