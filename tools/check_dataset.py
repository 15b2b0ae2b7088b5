"""What is wrong with this data set? Images and boxes, before a training stumbles over them.

python tools/check_dataset.py configs/students/faster_rcnn_r50_voc.py
python tools/check_dataset.py data/BCCD --json findings.json
python tools/check_dataset.py data/coco/annotations/instances_val2017.json

Exit status: 0 nothing found, 1 something found, 2 the command, the config or the path is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from mmengine.config import DictAction  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.datasets import refuse_to_replace, write_new  # noqa: E402
from mmkd.datasets.lint import (  # noqa: E402
    KINDS,
    SPLITS,
    Split,
    check_splits,
    render,
    splits_of_config,
    splits_of_path,
)
from mmkd.engine.checks.arguments import check_arguments  # noqa: E402
from mmkd.engine.commands.train_and_test import read_config  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


APPLIES = {
    'splits': ('.py',),
    'cfg_options': ('.py',),
    'classes': ('.json', ''),
    'images': ('.json',),
}
"""Suffixes of the data for which an option means something; a folder has none."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data', help='config (.py), VOC folder, KITTI folder or COCO file (.json)')
    parser.add_argument(
        '--splits', nargs='+', choices=SPLITS, help='loaders of a config to look at, all by default'
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='allowed in a VOC folder or a COCO file'
    )
    parser.add_argument('--images', metavar='FOLDER', help="of a COCO file's images")
    parser.add_argument(
        '--ignore',
        nargs='+',
        default=[],
        choices=tuple(KINDS),
        metavar='KIND',
        help=f'findings to leave out: {", ".join(KINDS)}',
    )
    parser.add_argument(
        '--decode', action='store_true', help='decode every image, not only its header'
    )
    parser.add_argument('--workers', type=int, default=4, help='threads that read images')
    parser.add_argument('--examples', type=int, default=3, help='shown of each kind')
    parser.add_argument('--json', metavar='FILE', help='write every finding there')
    parser.add_argument('--force', action='store_true', help='replace a JSON file that exists')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config',
    )
    parser.set_defaults(launcher='none', work_dir=None)
    args = parser.parse_args(argv)
    args.config = args.data
    for option in ('workers', 'examples'):
        if getattr(args, option) < 1:
            parser.error(f'--{option} must be >= 1, got {getattr(args, option)}')
    suffix = '' if Path(args.data).is_dir() else Path(args.data).suffix
    useless = [
        f'--{option.replace("_", "-")}'
        for option, suffixes in APPLIES.items()
        if getattr(args, option) is not None and suffix not in suffixes
    ]
    if useless:
        parser.error(f'{" ".join(useless)} does nothing for {args.data}: take it out')
    return args


def read_splits(args: argparse.Namespace) -> list[Split]:
    """The splits of the config or path."""
    if args.data.endswith('.py'):
        config = read_config(args)
        check_arguments(config, args.splits or SPLITS)
        return splits_of_config(config, args.splits or SPLITS)
    return splits_of_path(args.data, classes=args.classes, images=args.images)


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

        report = check_splits(splits, decode=args.decode, workers=args.workers, on_image=on_image)
    report = report.without(args.ignore)
    console.print(render(report, args.data, args.examples))
    if args.json:
        write_new(args.json, json.dumps(report.to_dict(), indent=2), force=args.force)
    return 1 if report.findings else 0


def main() -> int:
    """Looks; returns the exit status."""
    args, status = parse_args(), [0]
    return run_readably(lambda: status.append(run(args, Console()))) or status[-1]


if __name__ == '__main__':
    sys.exit(main())
