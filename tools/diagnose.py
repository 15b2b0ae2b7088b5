"""What would ruin this distillation? Looks before any time is spent on training.

python tools/diagnose.py configs/fgfi_faster_rcnn_r18_16th_bccd.py --num 64
python tools/diagnose.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint

Exit status: 0 nothing found, 1 something found, 2 the command or the config is wrong.
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402

from mmkd.engine.diagnose import Options, State, diagnose, render  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.engine.commands.tool_options import add_distillation_options, read_distillation  # noqa: E402


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_distillation_options(parser)
    parser.add_argument('--num', type=int, default=64, help='images of a split to look at')
    parser.add_argument(
        '--fraction', type=float, default=0.5, help="wanted size of a method's loss over the task's"
    )
    parser.add_argument('--target', type=float, help='what the student shall reach, e.g. 0.37')
    parser.add_argument(
        '--student-checkpoint',
        metavar='PATH',
        help='a trained student, scored in place of --target',
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> int:
    """Looks and reports; returns the exit status."""
    options = Options(args.num, args.fraction, args.target, args.student_checkpoint, args.device)
    config = read_distillation(args, ('train', 'val'))
    with console.status('') as status:
        checks = diagnose(config, options, status.update)
    console.print(render(checks, args.config))
    found = sum(check.state is State.FINDING for check in checks)
    console.print(f'{found} findings' if found else 'nothing found')
    return 1 if found else 0


def main() -> int:
    """Looks; returns the exit status."""
    args, status = parse_args(), [0]
    return run_readably(lambda: status.append(run(args, Console()))) or status[-1]


if __name__ == '__main__':
    sys.exit(main())
