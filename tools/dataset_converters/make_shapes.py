"""Draws the shapes set in Pascal VOC layout.

python tools/dataset_converters/make_shapes.py data/shapes
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # works without installation

from rich.console import Console

from mmkd.datasets.shapes import ShapesConfig, draw_shapes
from mmkd.engine.commands.tool_options import new_parser, progress_bar
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    default = ShapesConfig()
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('out_dir', nargs='?', default='data/shapes', help='folder of the set')
    add('--train', type=int, default=default.train, help='training images')
    add('--val', type=int, default=default.val, help='validation images')
    size = dict(metavar=('WIDTH', 'HEIGHT'), default=(default.width, default.height))
    add('--size', type=int, nargs=2, help='of each image, in pixels', **size)
    add('--seed', type=int, default=default.seed)
    add('--force', action='store_true', help='replace another set of shapes')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Draws and reports."""
    config = ShapesConfig(args.train, args.val, *args.size, seed=args.seed)
    with progress_bar(console, 'drawing', args.train + args.val) as advance:
        drawn = draw_shapes(args.out_dir, config, force=args.force, on_image=advance)
    state = 'drawn' if drawn else 'already complete, reused'
    console.print(f'{args.train} + {args.val} images in {args.out_dir}: {state}.')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
