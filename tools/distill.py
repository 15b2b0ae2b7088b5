r"""From configs and a folder to a plain student: trains it under the teacher, exports and tests it.

python tools/distill.py --student small.py --teacher large.py --teacher-checkpoint large.pth \
    --method fgfi --data data/mine --format voc --epochs 12

The teacher is made by: python tools/train.py large.py --data data/mine --format voc

Exit status: 0 done, 2 the command, a config or the data is wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import mmkd  # noqa: F401, I001  first: it makes the host importable

from rich.console import Console

from mmkd.engine.commands import tool_options
from mmkd.engine.commands.data import add_data_options
from mmkd.engine.commands.methods import add_method_option
from mmkd.engine.commands.train_and_test import INTERRUPTED
from mmkd.engine.readable_errors import run_readably
from mmkd.study import run_distillation


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = tool_options.new_parser(__doc__)
    parser.add_argument(
        '--student',
        dest='config',
        metavar='CONFIG',
        required=True,
        help=f'plain config, or a pair: {tool_options.CONFIG_HELP}',
    )
    tool_options.add_teacher_option(parser)
    add_method_option(parser)
    add_data_options(parser, unlabelled=True)
    tool_options.add_epochs_option(parser)
    parser.add_argument(
        '--student-checkpoint',
        metavar='FILE',
        help='the student trained alone (mmkd train), tested beside the result',
    )
    tool_options.add_config_options(parser)
    parser.add_argument('--work-dir', help='default: work_dirs/STUDENT_TEACHER_METHODS_FOLDER')
    args = parser.parse_args(argv)
    tool_options.refuse_below(1, parser, args, 'epochs')
    return args


def run(args: argparse.Namespace) -> None:
    """Distils."""
    run_distillation(args, Console())


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args()), INTERRUPTED))
