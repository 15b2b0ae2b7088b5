"""Draws a config's images with their boxes to PNG files.

python tools/browse_dataset.py configs/students/faster_rcnn_r18_16th_bccd.py pictures --num 10
python tools/browse_dataset.py configs/students/faster_rcnn_r50_kitti.py pictures --raw --split val

Exit status: 0 drawn, 2 the command or the config is wrong, or a picture is there already.
"""

import argparse
import random
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from mmengine.registry import DATASETS, init_default_scope  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.engine.commands.train_and_test import read_config  # noqa: E402
from mmkd.engine.checks.preflight import check_data  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.engine.commands.tool_options import add_config_options  # noqa: E402
from mmkd.visualization.browse import draw_dataset  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='any config with data loaders')
    parser.add_argument('out_dir', help='folder of the pictures')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument('--raw', action='store_true', help='as on disk, without the pipeline')
    parser.add_argument('--num', type=int, default=20, help='pictures; 0 for all')
    parser.add_argument('--shuffle', type=int, metavar='SEED', help='random images by this seed')
    parser.add_argument('--force', action='store_true', help='replace pictures that exist')
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.num < 0:
        parser.error(f'--num must be >= 0, got {args.num}')
    return args


def run(args: argparse.Namespace, console: Console) -> None:
    """Builds the data set and draws."""
    config = read_config(args)
    with console.status(f'reading the {args.split} set of {args.config}'):
        check_data(config, (args.split,))
        init_default_scope(config.get('default_scope', 'mmdet'))
        dataset = DATASETS.build(config[f'{args.split}_dataloader'].dataset)
    indices = list(range(len(dataset)))
    if args.shuffle is not None:
        random.Random(args.shuffle).shuffle(indices)
    indices = indices[: args.num or None]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task('drawing', total=len(indices))
        written = draw_dataset(
            dataset,
            args.out_dir,
            indices,
            raw=args.raw,
            force=args.force,
            on_image=lambda: progress.advance(bar),
        )
    console.print(f'{len(written)} pictures in {args.out_dir}.')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
