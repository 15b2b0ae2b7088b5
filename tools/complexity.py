"""Parameters and multiply-adds of detectors and their backbones, as a Markdown table.

python tools/complexity.py configs/students/faster_rcnn_vgg16_*_bccd.py --shape 192 256
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console

from mmkd.engine.commands.complexity import measure_complexity
from mmkd.engine.commands.tool_options import (
    add_shape_option,
    config_of,
    new_parser,
    refuse_shape,
)
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('configs', nargs='+', help='configs; of a distillation its student')
    add_shape_option(parser, 'of the image')
    args = parser.parse_args(argv)
    refuse_shape(parser, args)
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Counts and prints a row a config."""
    height, width = args.shape
    console.print(
        f'| config, {width} x {height} | backbone: parameters | multiply-adds '
        '| detector: parameters | multiply-adds |\n|---|--:|--:|--:|--:|',
        soft_wrap=True,
        highlight=False,
    )
    for path in args.configs:
        cost = measure_complexity(config_of(path), (height, width))
        console.print(
            f'| `{Path(path).name}` | {cost.backbone_parameters:,} '
            f'| {cost.backbone_flops / 1e9:.3f} G | {cost.parameters:,} '
            f'| {cost.flops / 1e9:.3f} G |',
            soft_wrap=True,
            highlight=False,
        )


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
