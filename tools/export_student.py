"""Writes a checkpoint with the student's weights alone, for the plain student config.

python tools/export_student.py work_dirs/fgfi_faster_rcnn_r18_16th_bccd/epoch_8.pth student.pth
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.export import export_student
from mmkd.engine.commands.tool_options import new_parser
from mmkd.engine.readable_errors import run_readably


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    add = parser.add_argument
    add('checkpoint', help='checkpoint of a distillation run, file or URL')
    add('out', help='file to write')
    add('--force', action='store_true', help='replace OUT if it exists')
    averaged = 'fail unless the weights are averaged; where EMAHook ran they always are'
    add('--ema', action='store_true', help=averaged)
    return parser.parse_args()


def main() -> None:
    """Exports and says what was written."""
    args = parse_args()
    done = export_student(args.checkpoint, args.out, force=args.force, ema=args.ema)
    kind = 'averaged (EMA) ' if done.averaged else ''
    print(
        f'{done.path}: {done.student_keys} {kind}student weights and buffers; '
        f"left out {done.dropped_keys} of the adapters', optimizer and log."
    )


if __name__ == '__main__':
    sys.exit(run_readably(main))
