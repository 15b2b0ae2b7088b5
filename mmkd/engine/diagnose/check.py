"""The outcome of one check, and the table of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.markup import escape
from rich.table import Table


class State(Enum):
    """``FINDING`` asks for a change; ``INFO`` is worth knowing; ``SKIPPED`` could not be run."""

    OK = 'ok'
    INFO = 'info'
    FINDING = 'FINDING'
    SKIPPED = 'skipped'


@dataclass(frozen=True)
class Check:
    """What one check saw, with numbers, and what to do where something needs doing."""

    name: str
    state: State
    text: str
    remedy: str = ''


def judge(name: str, fine: bool, text: str, remedy: str) -> Check:
    """``OK``, or a ``FINDING`` with its remedy."""
    return Check(name, State.OK, text) if fine else Check(name, State.FINDING, text, remedy)


_STYLES = {State.OK: 'green', State.INFO: 'cyan', State.FINDING: 'bold red', State.SKIPPED: 'dim'}


def render(checks: Sequence[Check], title: str) -> Table:
    """Check, finding and remedy, a row each, in the order in which they were run."""
    table = Table(title=title, show_lines=True)
    for column in ('check', '', 'finding', 'remedy'):
        table.add_column(column, overflow='fold')
    for check in checks:
        state = f'[{_STYLES[check.state]}]{check.state.value}[/]'
        table.add_row(check.name, state, escape(check.text), escape(check.remedy))
    return table
