"""Writes what came out: ``study.json``, ``table.md``."""

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from mmkd.engine.atomic import write_atomically

from .jobs import Job
from .plan import Study
from .results import collect
from .table import HEADER, markdown, rows

_SHOWN = ('model', 'seeds', 'mAP', 'difference', '95% interval of it', 'gap closed')


def write_outcome(study: Study, jobs: Sequence[Job], console: Console) -> dict[str, Any]:
    """Collects finished runs, writes the files into the study's folder and prints the table.

    Returns:
        What ``study.json`` holds.

    Raises:
        ValueError: No run is finished.
    """
    outcome = collect(study, jobs)
    folder = study.work_dir
    write_atomically(json.dumps(outcome, indent=1).encode(), folder / 'study.json')
    write_atomically(markdown(outcome).encode(), folder / 'table.md')
    console.print(_rich_table(outcome))
    for note in outcome['warnings']:
        console.print(f'* {note}', markup=False, highlight=False)
    if outcome['missing']:
        console.print(f'* not finished: {", ".join(outcome["missing"])}', markup=False)
    console.print(f'study.json, table.md in {folder}', soft_wrap=True)
    return outcome


def _rich_table(outcome: dict[str, Any]) -> Table:
    """The columns that fit a terminal; ``table.md`` has the others."""
    table = Table(title=f'{outcome["study"]}: {outcome["metric"]}')
    columns = [HEADER.index(name) for name in _SHOWN]
    for name in _SHOWN:
        table.add_column(name, justify='left' if name == HEADER[0] else 'right')
    for row in rows(outcome):
        table.add_row(*(row[i] for i in columns))
    return table
