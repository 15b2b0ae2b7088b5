"""What would ruin this distillation? Looks before any time is spent on training.

python tools/diagnose.py configs/fgfi_faster_rcnn_r18_16th_bccd.py --num 64
python tools/diagnose.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint

Exit status: 0 nothing found, 1 something found, 2 the command or the config is wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from rich.console import Console

from mmkd.engine.commands import tool_options
from mmkd.engine.diagnose import Options, State, diagnose, render
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    tool_options.add_distillation_options(parser)
    add = parser.add_argument
    add('--num', type=int, default=64, help='images of a split to look at')
    share = "wanted size of a method's loss over the task's"
    add('--fraction', type=float, default=0.5, help=share)
    add('--target', type=float, help='what the student shall reach, e.g. 0.37')
    trained = 'a trained student, scored in place of --target'
    add('--student-checkpoint', metavar='PATH', help=trained)
    return parser.parse_args(argv)


def run(args: argparse.Namespace, console: Console) -> int:
    """Looks and reports; returns the exit status."""
    options = Options(args.num, args.fraction, args.target, args.student_checkpoint, args.device)
    config = tool_options.read_distillation(args, ('train', 'val'))
    with console.status('') as status:
        checks = diagnose(config, options, status.update)
    console.print(render(checks, args.config))
    found = sum(check.state is State.FINDING for check in checks)
    console.print(f'{found} findings' if found else 'nothing found')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args(), Console())))
