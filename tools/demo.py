"""A teacher, a student alone and a distilled student on drawn shapes, in minutes.

python tools/demo.py            as ``make demo`` runs it
python tools/demo.py --quick    two minutes: shows that everything works, and nothing else
python tools/demo.py --full     more images and epochs

Called again it goes on where it was: finished trainings are reused, an interrupted one is resumed,
and what changed since, and what follows from it, is trained again.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console

from mmkd.datasets import draw_shapes
from mmkd.engine.commands.tool_options import new_parser, progress_bar, refuse_below
from mmkd.engine.readable_errors import run_readably
from mmkd.study import demo

STUDY = Path(__file__).resolve().parents[1] / 'configs/studies/shapes.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; ``profile`` and ``work_dir`` are resolved."""
    parser = new_parser(__doc__)
    add = parser.add_mutually_exclusive_group().add_argument
    const = dict(dest='size', action='store_const')
    add('--quick', const='quick', help='a smoke run of two minutes', **const)
    add('--full', const='full', help='more images and epochs', **const)
    add = parser.add_argument
    add('--work-dir', type=Path, help='default: work_dirs/demo, demo_quick, ...')
    add('--seed', type=int, default=0, help='of all three trainings')
    add('--jobs', type=int, default=2, help='trainings at a time, a thread each')
    add('--images', type=int, nargs=2, metavar=('TRAIN', 'VAL'), help='numbers of images to draw')
    add('--epochs', type=int, help='of all three trainings')
    args = parser.parse_args(argv)
    refuse_below(1, parser, args, 'jobs', 'epochs')
    args.profile = demo.PROFILES[args.size or 'standard']
    if args.epochs is not None:
        args.profile = dataclasses.replace(args.profile, epochs=args.epochs)
    if args.images is not None:
        data = dataclasses.replace(args.profile.data, train=args.images[0], val=args.images[1])
        args.profile = dataclasses.replace(args.profile, data=data)
    suffix = '' if args.size is None else f'_{args.size}'
    args.work_dir = (args.work_dir or Path(f'work_dirs/demo{suffix}')).resolve()
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Draws the data in place of those of another size, trains what is not finished, reports."""
    data, folder = args.profile.data, args.work_dir / 'data'
    with progress_bar(console, 'drawing shapes', data.train + data.val) as advance:
        drawn = draw_shapes(folder, data, force=True, on_image=advance)
    state = 'drawn' if drawn else 'reused'
    console.print(f'shapes: {data.train} + {data.val} images in {folder}, {state}.', soft_wrap=True)
    study = demo.demo_study(args.profile, STUDY, args.work_dir, args.seed)
    demo.run_demo(study, console, args.jobs)


if __name__ == '__main__':
    NOTE = 'interrupted: finished stages are kept, call again to go on'
    sys.exit(run_readably(lambda: run(parse_args(), Console()), NOTE))
