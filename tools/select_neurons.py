r"""Which channels of the teacher tell the classes? Writes the lists of mmkd.NeuronSelection.

python tools/select_neurons.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint \
    --out channels.json
"""

import argparse
import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402

from mmkd.engine.commands.neurons import choose_channels  # noqa: E402
from mmkd.engine.commands.tool_options import add_distillation_options, read_distillation  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_distillation_options(parser)
    parser.add_argument('--num', type=int, default=64, help='training images to look at')
    parser.add_argument('--ratio', type=float, default=0.824, help='share of channels to keep')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='JSON to write')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Looks and writes."""
    config = read_distillation(args, ('train',))
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task('batches', total=None)
        found = choose_channels(
            config,
            args.num,
            args.ratio,
            args.device,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found) + '\n', encoding='utf-8')
    counts = ', '.join(str(len(level)) for level in found)
    console.print(f'{counts} channels of the levels, written to {args.out}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
