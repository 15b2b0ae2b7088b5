"""Draws a config's images with their boxes to PNG files.

python tools/browse_dataset.py configs/students/faster_rcnn_r18_16th_bccd.py pictures --num 10
python tools/browse_dataset.py configs/students/faster_rcnn_r50_kitti.py pictures --raw --split val

Exit status: 0 drawn, 2 the command or the config is wrong, or a picture is there already.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import mmkd  # noqa: F401, I001  first: it makes the host importable
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from rich.console import Console

from mmkd.engine.checks.preflight import check_data
from mmkd.engine.commands import tool_options
from mmkd.engine.readable_errors import run_readably
from mmkd.utils.config_walk import datasets_of, type_name
from mmkd.visualization.browse import draw_dataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    add = parser.add_argument
    add('config', help='any config with data loaders')
    add('out_dir', help='folder of the pictures')
    add('--split', choices=('train', 'val', 'test'), default='train')
    add('--raw', action='store_true', help='as on disk, without the pipeline')
    add('--num', type=int, default=20, help='pictures; 0 for all')
    add('--shuffle', type=int, metavar='SEED', help='random images by this seed')
    add('--force', action='store_true', help='replace pictures that exist')
    tool_options.add_config_options(parser)
    args = parser.parse_args(argv)
    tool_options.refuse_below(0, parser, args, 'num')
    return args


def load_boxes_first(config: Config, split: str) -> None:
    """Has boxes loaded with their image, so that what resizes it resizes them.

    Pipelines of testing load them last, in pixels of the file, as metrics want them.
    """
    for _, dataset in datasets_of(config, split):
        steps = dataset.get('pipeline') or []
        names = [type_name(step) for step in steps]
        if 'LoadImageFromFile' in names and 'LoadAnnotations' in names:
            boxes = steps.pop(names.index('LoadAnnotations'))
            steps.insert(names.index('LoadImageFromFile') + 1, boxes)


def run(args: argparse.Namespace, console: Console) -> None:
    """Builds the data set and draws."""
    config = tool_options.read_config(args)
    with console.status(f'reading the {args.split} set of {args.config}'):
        check_data(config, (args.split,))
        init_default_scope(config.get('default_scope', 'mmdet'))
        load_boxes_first(config, args.split)
        dataset = DATASETS.build(config[f'{args.split}_dataloader'].dataset)
    indices = list(range(len(dataset)))
    if args.shuffle is not None:
        random.Random(args.shuffle).shuffle(indices)
    indices = indices[: args.num or None]
    with tool_options.progress_bar(console, 'drawing', len(indices)) as advance:
        written = draw_dataset(
            dataset, args.out_dir, indices, raw=args.raw, force=args.force, on_image=advance
        )
    console.print(f'{len(written)} pictures in {args.out_dir}.')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
