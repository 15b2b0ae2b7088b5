"""Times COCO's evaluation by every backend on the same synthetic detections.

python tools/benchmark_coco_eval.py --images 5000 --detections 100
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console
from rich.table import Table

from mmkd.engine.commands.tool_options import new_parser, refuse_below
from mmkd.engine.readable_errors import run_readably
from mmkd.evaluation import BACKENDS
from mmkd.evaluation.benchmark import largest_difference, synthetic_coco, time_backends
from mmkd.evaluation.coco_backends import check_backend

COLUMNS = 'backend', 'time', 'CPU time', 'speed-up', 'mAP', 'AR@100', 'largest difference'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('--images', type=int, default=5000)
    add('--detections', type=int, default=100, help='an image')
    add('--boxes', type=int, default=7, help='an image')
    add('--classes', type=int, default=80)
    add('--backends', nargs='+', choices=BACKENDS, default=BACKENDS)
    args = parser.parse_args(argv)
    refuse_below(1, parser, args, 'images', 'detections', 'boxes', 'classes')
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Evaluates and prints the table."""
    for name in args.backends:
        check_backend(name)  # before minutes are spent on another
    with console.status('drawing boxes') as status:
        dataset, found = synthetic_coco(
            args.images, args.detections, boxes=args.boxes, classes=args.classes
        )
        status.update(f'evaluating by {", ".join(args.backends)}')
        timings = time_backends(dataset, found, args.backends, console.print)
    first = next(iter(timings.values()))
    title = f'{args.images} images, {len(found)} detections, {args.classes} classes'
    table = Table(*COLUMNS, title=title)
    for name, (seconds, cpu, curves) in timings.items():
        times = f'{seconds:.1f} s', f'{cpu:.1f} s', f'{first.cpu / cpu:.1f}x'
        difference = f'{largest_difference(first.curves, curves):.1e}'
        table.add_row(name, *times, f'{curves.ap():.6f}', f'{curves.ar(100):.6f}', difference)
    console.print(table)


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
