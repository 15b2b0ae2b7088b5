"""Times COCO's evaluation by every backend on the same synthetic detections.

python tools/benchmark_coco_eval.py --images 5000 --detections 100
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.evaluation import BACKENDS  # noqa: E402
from mmkd.evaluation.benchmark import (  # noqa: E402
    largest_difference,
    synthetic_coco,
    time_backends,
)
from mmkd.evaluation.coco_backends import check_backend  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--detections', type=int, default=100, help='an image')
    parser.add_argument('--boxes', type=int, default=7, help='an image')
    parser.add_argument('--classes', type=int, default=80)
    parser.add_argument('--backends', nargs='+', choices=BACKENDS, default=BACKENDS)
    args = parser.parse_args(argv)
    for option in ('images', 'detections', 'boxes', 'classes'):
        if getattr(args, option) < 1:
            parser.error(f'--{option} must be >= 1, got {getattr(args, option)}')
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
    table = Table(
        'backend',
        'time',
        'CPU time',
        'speed-up',
        'mAP',
        'AR@100',
        'largest difference',
        title=f'{args.images} images, {len(found)} detections, {args.classes} classes',
    )
    for name, (seconds, cpu, curves) in timings.items():
        table.add_row(
            name,
            f'{seconds:.1f} s',
            f'{cpu:.1f} s',
            f'{first.cpu / cpu:.1f}x',
            f'{curves.ap():.6f}',
            f'{curves.ar(100):.6f}',
            f'{largest_difference(first.curves, curves):.1e}',
        )
    console.print(table)


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
