r"""From two configs to a plain student: trains it under the teacher, exports and tests it.

python tools/distill.py --student small.py --teacher large.py --teacher-checkpoint large.pth \
    --method fgfi

Exit status: that of the training or of the test where one failed, else 0.
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

import mmkd  # noqa: E402, F401, I001  first: it makes the host importable

from rich.console import Console  # noqa: E402

from mmkd.compat.scope import config_folder  # noqa: E402
from mmkd.engine.commands.methods import add_method_option  # noqa: E402
from mmkd.engine.commands.train_and_test import read_config, set_teacher_checkpoints  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402
from mmkd.study import distill  # noqa: E402


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    args = parser.parse_args()
    if args.epochs is not None and args.epochs < 1:
        parser.error(f'--epochs must be >= 1, got {args.epochs}')
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
    cfg = read_config(args)
    if args.teacher_checkpoint is not None:
        set_teacher_checkpoints(cfg, args.teacher_checkpoint)
    return distill(cfg, args.epochs, Console())


def main() -> int:
    """Distils; returns the exit status."""
    args, status = parse_args(), [0]
    return run_readably(lambda: status.append(run(args))) or status[-1]


if __name__ == '__main__':
    sys.exit(main())
