"""Parameters and multiply-adds of detectors and their backbones, as a Markdown table.

python tools/complexity.py configs/students/faster_rcnn_vgg16_*_bccd.py --shape 192 256
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from mmkd.engine.commands.train_and_test import config_of  # noqa: E402
from mmkd.engine.commands.complexity import measure_complexity  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description='Count what detectors cost; nothing is trained.')
    parser.add_argument('configs', nargs='+', help='configs; of a distillation its student')
    parser.add_argument(
        '--shape',
        type=int,
        nargs=2,
        default=(800, 1344),
        metavar=('H', 'W'),
        help='of the image, pixels, multiples of 32',
    )
    args = parser.parse_args()
    if any(side < 32 or side % 32 for side in args.shape):
        parser.error(f'--shape must be multiples of 32, got {args.shape[0]} {args.shape[1]}')
    return args


def report(args: argparse.Namespace) -> None:
    """Counts and prints a row a config."""
    height, width = args.shape
    print(
        f'| config, {width} x {height} | backbone: parameters | multiply-adds '
        '| detector: parameters | multiply-adds |\n|---|--:|--:|--:|--:|'
    )
    for path in args.configs:
        cost = measure_complexity(config_of(path), (height, width))
        cells = (
            f'`{Path(path).name}`',
            f'{cost.backbone_parameters:,}',
            f'{cost.backbone_flops / 1e9:.3f} G',
            f'{cost.parameters:,}',
            f'{cost.flops / 1e9:.3f} G',
        )
        print(f'| {" | ".join(cells)} |', flush=True)


def main() -> int:
    """Returns the exit status."""
    args = parse_args()
    return run_readably(lambda: report(args))


if __name__ == '__main__':
    sys.exit(main())
