"""The linter's findings as a table."""

import os

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .records import KINDS, Report


def render(report: Report, title: str, examples: int = 3) -> Group:
    """A table of the kinds found, each with some examples; the JSON file has all findings."""
    table = Table('finding', 'count', 'where', title=Text(_printable(title)), title_justify='left')
    table.columns[1].justify = 'right'
    for kind, count in report.counts.items():
        some = [finding for finding in report.findings if finding.kind == kind]
        shown = [
            f'{os.path.basename(one.file) or one.file} [{one.split}] {one.detail}'.rstrip()
            for one in some[:examples]
        ]
        if count > examples:
            shown.append(f'and {count - examples} more')
        where = _printable('\n'.join(shown))
        table.add_row(Text(f'{kind}\n{KINDS[kind]}'), str(count), Text(where))
    splits = ', '.join(f'{name} {count}' for name, count in report.splits.items())
    looked = Text(f'images: {splits}; boxes: {report.boxes}; {report.seconds:.1f} s')
    total = sum(report.counts.values())
    verdict = Text(f'{total} findings' if total else 'nothing found')
    parts: list[RenderableType] = [looked]
    if report.turned:
        text = f'{report.turned} images are turned or mirrored by EXIF when they are loaded: '
        parts.append(Text(f'{text}their boxes must be those of the image as it is shown'))
    return Group(*parts, *[table] * bool(total), verdict)


def _printable(text: str) -> str:
    """The text without the halves of characters that JSON can hold and no terminal can show."""
    return text.encode('utf-8', 'replace').decode('utf-8')
