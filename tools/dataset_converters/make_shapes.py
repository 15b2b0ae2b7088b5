"""Draw the shapes set: python tools/dataset_converters/make_shapes.py data/shapes."""

import argparse
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmkd.datasets.shapes import ShapesConfig, draw_shapes


def parse_args() -> argparse.Namespace:
    """The command line."""
    default = ShapesConfig()
    parser = argparse.ArgumentParser(description='Draw the shapes set in Pascal VOC layout.')
    parser.add_argument('out_dir', nargs='?', default='data/shapes', help='folder of the set')
    parser.add_argument('--train', type=int, default=default.train, help='training images')
    parser.add_argument('--val', type=int, default=default.val, help='validation images')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('WIDTH', 'HEIGHT'),
        default=(default.width, default.height),
        help='of each image, in pixels',
    )
    parser.add_argument('--seed', type=int, default=default.seed)
    parser.add_argument('--force', action='store_true', help='replace another set of shapes')
    return parser.parse_args()


def main() -> None:
    """Parse, draw, report."""
    args = parse_args()
    console = Console()
    columns = (TextColumn('drawing'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        config = ShapesConfig(args.train, args.val, *args.size, seed=args.seed)
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task('', total=args.train + args.val)
            drawn = draw_shapes(
                args.out_dir, config, force=args.force, on_image=lambda: progress.advance(bar)
            )
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    state = 'drawn' if drawn else 'already complete, reused'
    console.print(f'{args.train} + {args.val} images in {args.out_dir}: {state}.')


if __name__ == '__main__':
    main()
