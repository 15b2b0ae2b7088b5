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

CHECKOUT = Path(__file__).resolve().parents[2]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.datasets import (  # noqa: E402
    Outcome,
    caltech_frames,
    caltech_to_coco,
    extract_frames,
    write_once,
)
from mmkd.engine.readable_errors import run_readably  # noqa: E402


_SAID: dict[Outcome, str] = {'written': 'written', 'there': 'there already', 'replaced': 'replaced'}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('data_root', type=Path, help='folder that holds annotations and videos')
    parser.add_argument('out', help='file to write')
    parser.add_argument(
        '--sets',
        type=_range,
        default=_range('6-10'),
        metavar='FIRST-LAST',
        help='0-5 to train, 6-10 to test',
    )
    parser.add_argument(
        '--skip',
        type=int,
        default=30,
        metavar='N',
        help='every N-th frame; the benchmark tests every 30th',
    )
    parser.add_argument(
        '--min-height',
        type=float,
        default=50,
        metavar='PIXELS',
        help='lower persons are ignored in training',
    )
    parser.add_argument(
        '--min-visible',
        type=float,
        default=0.65,
        metavar='SHARE',
        help='persons less visible are ignored in training',
    )
    parser.add_argument('--extract', action='store_true', help='write the frames too')
    parser.add_argument(
        '--force', action='store_true', help='replace files that exist with another content'
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Reads the annotations and writes the file, and the frames if asked."""
    console = Console()
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
        images = args.data_root / 'images'
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task('extracting', total=len(frames))
            counts = extract_frames(
                args.data_root / 'videos',
                list(frames),
                images,
                force=args.force,
                on_frame=lambda: progress.advance(bar),
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
    sys.exit(run_readably(lambda: run(parse_args())))
