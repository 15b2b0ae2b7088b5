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

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402

from mmkd.datasets import draw_shapes  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.study import demo  # noqa: E402

STUDY = CHECKOUT / 'configs' / 'studies' / 'shapes.py'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line; ``profile`` and ``work_dir`` are resolved."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        '--quick',
        dest='size',
        action='store_const',
        const='quick',
        help='a smoke run of two minutes',
    )
    size.add_argument(
        '--full', dest='size', action='store_const', const='full', help='more images and epochs'
    )
    parser.add_argument('--work-dir', type=Path, help='default: work_dirs/demo, demo_quick, ...')
    parser.add_argument('--seed', type=int, default=0, help='of all three trainings')
    parser.add_argument('--jobs', type=int, default=2, help='trainings at a time, a thread each')
    parser.add_argument(
        '--images', type=int, nargs=2, metavar=('TRAIN', 'VAL'), help='numbers of images to draw'
    )
    parser.add_argument('--epochs', type=int, help='of all three trainings')
    args = parser.parse_args(argv)
    if args.jobs < 1 or (args.epochs is not None and args.epochs < 1):
        parser.error('--jobs and --epochs must be >= 1')
    size_name = args.size or 'standard'
    args.profile = demo.PROFILES[size_name]
    if args.epochs is not None:
        args.profile = dataclasses.replace(args.profile, epochs=args.epochs)
    if args.images is not None:
        data = dataclasses.replace(args.profile.data, train=args.images[0], val=args.images[1])
        args.profile = dataclasses.replace(args.profile, data=data)
    suffix = '' if args.size is None else f'_{args.size}'
    args.work_dir = (args.work_dir or Path(f'work_dirs/demo{suffix}')).resolve()
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Draws the data, trains what is not finished, reports."""
    draw_data(args, console)
    study = demo.demo_study(args.profile, STUDY, args.work_dir, args.seed)
    demo.run_demo(study, console, args.jobs)


def draw_data(args: argparse.Namespace, console: Console) -> None:
    """Makes the shapes set in the work directory, which replaces one of another size."""
    data, folder = args.profile.data, args.work_dir / 'data'
    steps = iter(
        track(range(data.train + data.val), 'drawing shapes', console=console, transient=True)
    )
    drawn = draw_shapes(folder, data, force=True, on_image=lambda: next(steps, None))
    state = 'drawn' if drawn else 'reused'
    console.print(f'shapes: {data.train} + {data.val} images in {folder}, {state}.', soft_wrap=True)


def main() -> None:
    """Runs with the options of the command line."""
    run(parse_args(), Console())


if __name__ == '__main__':
    sys.exit(run_readably(main, 'interrupted: finished stages are kept, call again to go on'))
