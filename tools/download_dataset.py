"""Downloads a public data set: resumes, checks, and neither deletes nor overwrites a file.

python tools/download_dataset.py --list
python tools/download_dataset.py voc2007 voc2012 --unpack
python tools/download_dataset.py coco2017 --only val2017.zip annotations_trainval2017.zip --unpack

Exit status: 0 everything is there, 2 something is not, or the command is wrong.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from mmkd.datasets.download import CATALOGUE, Item, fetch, unpack
from mmkd.engine.commands.tool_options import new_parser, refuse_below
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('names', nargs='*', metavar='NAME', help=', '.join(CATALOGUE))
    add('--list', action='store_true', help='show what there is')
    add('--root', default='data', help='folder of all data sets')
    add('--only', nargs='+', metavar='FILE', help='these files of them alone')
    add('--unpack', action='store_true', help='open the archives too')
    add('--retries', type=int, default=5, help='of an interrupted transfer')
    args = parser.parse_args(argv)
    if not args.list and not args.names:
        parser.error('name a data set, or see --list')
    unknown = [name for name in args.names if name not in CATALOGUE]
    if unknown:
        parser.error(f'{", ".join(unknown)}: not among {", ".join(CATALOGUE)}')
    refuse_below(0, parser, args, 'retries')
    missing = set(args.only or ()) - {item.name for item in chosen_items(args.names, None)}
    if missing:
        names = ', '.join(item.name for item in chosen_items(args.names, None))
        parser.error(f'--only {" ".join(sorted(missing))}: {", ".join(args.names)} has {names}')
    return args


def chosen_items(names: list[str], only: list[str] | None) -> list[Item]:
    """The files of the data sets, or those of them that ``only`` names."""
    items = [item for name in names for item in CATALOGUE[name].items]
    return [item for item in items if only is None or item.name in only]


def show_list(console: Console) -> None:
    """Prints the catalogue."""
    table = Table('name', 'what', 'files', 'terms')
    for column in table.columns:
        column.overflow = 'fold'  # names and addresses are there to be copied
    for name, dataset in CATALOGUE.items():
        names = [item.name for item in dataset.items]
        files = '\n'.join(names[:4]) + f'\nand {len(names) - 4} more' * (len(names) > 4)
        table.add_row(name, dataset.title, files, dataset.terms)
    console.print(table)


def show_bytes(progress: Progress, title: str) -> Callable[[int, int | None], None]:
    """A function that moves a bar of this title, which appears when it is first called."""
    bar = progress.add_task(title, visible=False)
    return lambda done, total: progress.update(bar, completed=done, total=total, visible=True)


def run(args: argparse.Namespace, console: Console) -> None:
    """Fetches and unpacks."""
    if args.list:
        show_list(console)
        return
    columns = '{task.description}', BarColumn(), DownloadColumn(), TransferSpeedColumn()
    for name in args.names:
        console.print(f'{CATALOGUE[name].title}; terms: {CATALOGUE[name].terms}')
    for item in chosen_items(args.names, args.only):
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
            path, fetched = fetch(
                item,
                args.root,
                retries=args.retries,
                on_bytes=show_bytes(progress, item.name),
                on_check=show_bytes(progress, f'checking {item.name}'),
                on_retry=lambda text: console.print(text, markup=False),
            )
        checked = 'MD5 as published' if item.md5 else 'no checksum is published'
        console.print(f'{path}: {"downloaded" if fetched else "was there"}, {checked}.')
        if args.unpack and item.unpack is not None:
            with console.status(f'unpacking {item.name}'):
                written, there = unpack(path, Path(args.root) / item.unpack)
            console.print(f'  {written} files unpacked, {there} were there.')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
