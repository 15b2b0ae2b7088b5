r"""Which step for quantization mimic? Reports the range of the teacher's features.

python tools/calibrate_quantizer.py configs/pairs/faster_rcnn_r18_16th_bccd.py \
    --method quantization_mimic
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

from mmkd.engine.commands.calibration import calibrate, render  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.engine.commands.tool_options import add_distillation_options, read_distillation  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_distillation_options(parser)
    parser.add_argument('--num', type=int, default=32, help='training images to look at')
    parser.add_argument('--out', type=Path, metavar='FILE', help='also write the numbers as JSON')
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> None:
    """Looks and reports."""
    config = read_distillation(args, ('train',))
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task('batches', total=None)
        found = calibrate(
            config,
            args.num,
            args.device,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    console.print(render(found, args.config))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(found.as_dict(), indent=2) + '\n', encoding='utf-8')
        console.print(f'written to {args.out}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
