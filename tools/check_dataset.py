"""What is wrong with this data set? Images and boxes, before a training stumbles over them.

python tools/check_dataset.py configs/students/faster_rcnn_r50_voc.py
python tools/check_dataset.py data/BCCD --json findings.json
python tools/check_dataset.py data/coco/annotations/instances_val2017.json
python tools/check_dataset.py --data data/mine --format coco    # the splits that training takes

Exit status: 0 nothing found, 1 something found, 2 the command, the config or the path is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console
from rich.progress import Progress

from mmkd.datasets import lint, refuse_to_replace, write_new
from mmkd.engine.checks.arguments import check_arguments
from mmkd.engine.commands import tool_options
from mmkd.engine.commands.data import add_data_options, read_data
from mmkd.engine.readable_errors import run_readably

APPLIES = {
    'splits': ('.py',),
    'cfg_options': ('.py',),
    'classes': ('.json', ''),
    'images': ('.json',),
}
"""Suffixes of the data for which an option means something; a folder has none."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    add = parser.add_argument
    add('data', nargs='?', help='config (.py), VOC folder, KITTI folder or COCO file (.json)')
    help_ = 'loaders of a config to look at, all by default'
    add('--splits', nargs='+', choices=lint.SPLITS, help=help_)
    add('--classes', nargs='+', metavar='NAME', help='allowed in a VOC folder or a COCO file')
    add('--images', metavar='FOLDER', help="of a COCO file's images")
    kinds, help_ = tuple(lint.KINDS), f'findings to leave out: {", ".join(lint.KINDS)}'
    add('--ignore', nargs='+', default=[], choices=kinds, metavar='KIND', help=help_)
    add('--decode', action='store_true', help='decode every image, not only its header')
    add('--workers', type=int, default=4, help='threads that read images')
    add('--examples', type=int, default=3, help='shown of each kind')
    add('--json', metavar='FILE', help='write every finding there')
    add('--force', action='store_true', help='replace a JSON file that exists')
    add_data_options(parser)
    tool_options.add_config_options(parser)
    args = parser.parse_args(argv)
    if (args.data is None) == (args.data_folder is None):
        parser.error('name the data: a config, a folder or a file, or --data FOLDER --format NAME')
    args.config = args.data = args.data or args.data_folder
    tool_options.refuse_below(1, parser, args, 'workers', 'examples')
    suffix = '' if Path(args.data).is_dir() else Path(args.data).suffix
    useless = [
        f'--{option.replace("_", "-")}'
        for option, suffixes in APPLIES.items()
        if getattr(args, option) is not None and (args.data_folder or suffix not in suffixes)
    ]
    if useless:
        parser.error(f'{" ".join(useless)} does nothing for {args.data}: take it out')
    return args


def read_splits(args: argparse.Namespace) -> list[lint.Split]:
    """The splits of the config or path, or those that training takes of ``--data``."""
    own = read_data(args)
    if own is not None:
        loaders = {f'{key}_dataloader': dict(dataset=one) for key, one in own.datasets.items()}
        return lint.splits_of_config(loaders)
    if args.data.endswith('.py'):
        config = tool_options.read_config(args)
        check_arguments(config, args.splits or lint.SPLITS)
        return lint.splits_of_config(config, args.splits or lint.SPLITS)
    return lint.splits_of_path(args.data, classes=args.classes, images=args.images)


def run(args: argparse.Namespace, console: Console) -> int:
    """Looks and reports; returns the exit status."""
    if args.json:
        refuse_to_replace(args.json, force=args.force)  # before a long look
    with console.status('reading annotations'):
        splits = read_splits(args)
    images = len({record.image for split in splits for record in split.records})
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task('looking', total=images)

        def on_image() -> None:
            progress.advance(bar)
            if progress.finished:  # images of equal length are compared now, nobody knows how many
                progress.update(bar, description='comparing images', total=None)

        report = lint.check_splits(
            splits, decode=args.decode, workers=args.workers, on_image=on_image
        )
    report = report.without(args.ignore)
    console.print(lint.render(report, args.data, args.examples))
    if args.json:
        write_new(args.json, json.dumps(report.to_dict(), indent=2), force=args.force)
    return 1 if report.findings else 0


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
