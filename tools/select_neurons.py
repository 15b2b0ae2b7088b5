r"""Which channels of the teacher tell the classes? Writes the lists of mmkd.NeuronSelection.

python tools/select_neurons.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint \
    --out channels.json
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
from mmkd.engine.commands.neurons import choose_channels
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    tool_options.add_distillation_options(parser)
    add = parser.add_argument
    add('--num', type=int, default=64, help='training images to look at')
    add('--ratio', type=float, default=0.824, help='share of channels to keep')
    add('--out', type=Path, required=True, metavar='FILE', help='JSON to write')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Looks and writes."""
    config = tool_options.read_distillation(args, ('train',))
    bar = partial(track, description='batches', console=console, transient=True)
    found = choose_channels(config, args.num, args.ratio, args.device, bar)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found) + '\n', encoding='utf-8')
    counts = ', '.join(str(len(level)) for level in found)
    console.print(f'{counts} channels of the levels, written to {args.out}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
