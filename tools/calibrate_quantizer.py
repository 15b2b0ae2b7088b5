r"""Which step for quantization mimic? Reports the range of the teacher's features.

python tools/calibrate_quantizer.py configs/pairs/faster_rcnn_r18_16th_bccd.py \
    --method quantization_mimic
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console
from rich.progress import track

from mmkd.engine.commands import tool_options
from mmkd.engine.commands.calibration import calibrate, render
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    tool_options.add_distillation_options(parser)
    parser.add_argument('--num', type=int, default=32, help='training images to look at')
    parser.add_argument('--out', type=Path, metavar='FILE', help='also write the numbers as JSON')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Looks and reports."""
    config = tool_options.read_distillation(args, ('train',))
    bar = partial(track, description='batches', console=console, transient=True)
    found = calibrate(config, args.num, args.device, bar)
    console.print(render(found, args.config))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found.as_dict(), indent=2) + '\n', encoding='utf-8')
        console.print(f'written to {args.out}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
