r"""From two configs to a plain student: trains it under the teacher, exports and tests it.

python tools/distill.py --student small.py --teacher large.py --teacher-checkpoint large.pth \
    --method fgfi

Exit status: that of the training or of the test where one failed, else 0.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import mmkd  # noqa: F401, I001  first: it makes the host importable

from rich.console import Console

from mmkd.compat.scope import config_folder
from mmkd.engine.commands.methods import add_method_option
from mmkd.engine.commands import tool_options
from mmkd.engine.readable_errors import run_readably
from mmkd.study import distill


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    parser.add_argument(
        '--student',
        dest='config',
        metavar='CONFIG',
        required=True,
        help="plain config, or a pair; a file, mmdet::NAME.py, a name of 'mmkd list' or of "
        'configs/students, as --teacher takes one of configs/teachers',
    )
    parser.add_argument('--teacher-checkpoint', nargs='+', metavar='FILE', help='its weights')
    add_method_option(parser)
    parser.add_argument('--epochs', type=int, help='to train; the schedule is scaled with them')
    parser.add_argument('--work-dir', help='default: work_dirs/STUDENT_TEACHER_METHODS')
    parser.set_defaults(launcher='none', cfg_options=None)
    args = parser.parse_args(argv)
    tool_options.refuse_below(1, parser, args, 'epochs')
    return args


def path_of(config: str, folder: str) -> str:
    """A config's path, where it is a bare name of a folder of ``configs/``; else as it is."""
    known = config_folder() / folder / f'{config}.py'
    return str(known) if known.is_file() else config


def run(args: argparse.Namespace) -> int:
    """Distils; returns the exit status."""
    args.config = path_of(args.config, 'students')
    if args.teacher is not None:
        args.teacher = path_of(args.teacher, 'teachers')
    cfg = tool_options.read_config(args)
    tool_options.set_teacher_checkpoints(cfg, args.teacher_checkpoint)
    return distill(cfg, args.epochs, Console())


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args())))
