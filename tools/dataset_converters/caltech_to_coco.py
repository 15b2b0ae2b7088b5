"""The Caltech pedestrian benchmark as a COCO file, and its frames as JPEG files.

python tools/dataset_converters/caltech_to_coco.py data/caltech data/caltech/test.json --sets 6-10
python tools/dataset_converters/caltech_to_coco.py data/caltech data/caltech/train.json --sets 0-5 \
    --skip 3 --extract

The folder holds annotations/set00/V000.vbb and, for --extract, videos/set00/V000.seq, as the
benchmark's archives unpack; frames go to images/. Interrupted, it goes on when it is called again:
what is there with the right content is left alone, what is there with another needs --force. Exit
status: 0 written, 2 the folder or the command is wrong.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # works without installation

from rich.console import Console

from mmkd.datasets import Outcome, caltech_frames, caltech_to_coco, extract_frames, write_once
from mmkd.engine.commands.tool_options import new_parser, progress_bar
from mmkd.engine.readable_errors import run_readably

_SAID: dict[Outcome, str] = {'written': 'written', 'there': 'there already', 'replaced': 'replaced'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('data_root', type=Path, help='folder that holds annotations and videos')
    add('out', help='file to write')
    sets = dict(default=_range('6-10'), metavar='FIRST-LAST', help='0-5 to train, 6-10 to test')
    add('--sets', type=_range, **sets)
    every = 'every N-th frame; the benchmark tests every 30th'
    add('--skip', type=int, default=30, metavar='N', help=every)
    low = 'lower persons are ignored in training'
    add('--min-height', type=float, default=50, metavar='PIXELS', help=low)
    hidden = 'persons less visible are ignored in training'
    add('--min-visible', type=float, default=0.65, metavar='SHARE', help=hidden)
    add('--extract', action='store_true', help='write the frames too')
    add('--force', action='store_true', help='replace files that exist with another content')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Reads the annotations and writes the file, and the frames if asked."""
    with console.status('reading annotations'):
        frames = caltech_frames(args.data_root / 'annotations', args.sets, args.skip)
    content = caltech_to_coco(frames, args.min_height, args.min_visible)
    outcome = write_once(args.out, json.dumps(content), force=args.force)
    boxes = content['annotations']
    trained = sum(not box['iscrowd'] for box in boxes)
    console.print(
        f'{args.out}: {len(content["images"])} frames, {len(boxes)} boxes, {trained} to train on; '
        f'{_SAID[outcome]}.'
    )
    if args.extract:
        videos, images = args.data_root / 'videos', args.data_root / 'images'
        with progress_bar(console, 'extracting', len(frames)) as advance:
            counts = extract_frames(
                videos, list(frames), images, force=args.force, on_frame=advance
            )
        said = ', '.join(f'{count} {_SAID[outcome]}' for outcome, count in counts.items())
        console.print(f'{images}: {counts.total()} frames; {said}.')


def _range(text: str) -> range:
    first, dash, last = text.partition('-')
    sets = range(int(first), int(last if dash else first) + 1)
    if not sets:
        raise argparse.ArgumentTypeError(f'{text!r} is empty: write FIRST-LAST, the lower first')
    return sets


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
