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

CHECKOUT = Path(__file__).resolve().parents[2]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.datasets import read_wider_face_list, wider_face_to_voc  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data_root', type=Path, help='folder that holds the three')
    parser.add_argument('split', choices=('train', 'val'))
    parser.add_argument(
        '--force', action='store_true', help='replace files that exist with another content'
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Reads the list and writes the files."""
    path = args.data_root / 'wider_face_split' / f'wider_face_{args.split}_bbx_gt.txt'
    faces = read_wider_face_list(path)
    console = Console()
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task('writing', total=len(faces))
        written, left_out = wider_face_to_voc(
            faces,
            args.data_root,
            args.split,
            force=args.force,
            on_image=lambda: progress.advance(bar),
        )
    console.print(
        f'{args.data_root}: {len(faces)} images, {written} faces, {left_out} without area left out.'
    )


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args())))
