"""WIDER FACE's box lists as XML files, for MMDetection's WIDERFaceDataset.

python tools/dataset_converters/wider_face_to_voc.py data/WIDERFace train
python tools/dataset_converters/wider_face_to_voc.py data/WIDERFace val

The folder holds wider_face_split/ and WIDER_train/, WIDER_val/ as the benchmark's archives unpack.
Interrupted, it goes on when it is called again. Exit status: 0 written, 2 the folder or the command
is wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # works without installation

from rich.console import Console

from mmkd.datasets import read_wider_face_list, wider_face_to_voc
from mmkd.engine.commands.tool_options import new_parser, progress_bar
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('data_root', type=Path, help='folder that holds the three')
    add('split', choices=('train', 'val'))
    add('--force', action='store_true', help='replace files that exist with another content')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Reads the list and writes the files."""
    path = args.data_root / 'wider_face_split' / f'wider_face_{args.split}_bbx_gt.txt'
    faces = read_wider_face_list(path)
    with progress_bar(console, 'writing', len(faces)) as advance:
        written, left_out = wider_face_to_voc(
            faces, args.data_root, args.split, force=args.force, on_image=advance
        )
    console.print(
        f'{args.data_root}: {len(faces)} images, {written} faces, {left_out} without area left out.'
    )


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
