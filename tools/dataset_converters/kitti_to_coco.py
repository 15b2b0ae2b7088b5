"""KITTI's labels as a COCO file, for tools that read nothing else.

python tools/dataset_converters/kitti_to_coco.py data/kitti ImageSets/train.txt train.json

Exit status: 0 written, 2 the folder or the command is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # works without installation

from rich.console import Console

from mmkd.datasets import KITTIDataset, kitti_to_coco, write_new
from mmkd.engine.commands.tool_options import new_parser
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('data_root', help='folder that holds training/image_2 and label_2')
    add('split', help='split file, relative to it: one frame per line')
    add('out', help='file to write')
    add('--classes', nargs='+', metavar='NAME', help='Car Pedestrian Cyclist')
    add('--force', action='store_true', help='replace a file that exists')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Reads the split and writes the file."""
    metainfo = dict(classes=tuple(args.classes)) if args.classes else None
    with console.status(f'reading {args.split}'):
        dataset = KITTIDataset(
            data_root=args.data_root, ann_file=args.split, metainfo=metainfo, test_mode=True
        )
        content = kitti_to_coco(dataset)
    write_new(args.out, json.dumps(content), force=args.force)
    console.print(
        f'{args.out}: {len(content["images"])} images, {len(content["annotations"])} boxes.'
    )


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
