"""Writes a checkpoint with the student's weights alone, for the plain student config."""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

from mmkd.engine.commands.export import export_student  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a distillation run, file or URL')
    parser.add_argument('out', help='file to write')
    parser.add_argument('--force', action='store_true', help='replace OUT if it exists')
    parser.add_argument(
        '--ema',
        action='store_true',
        help='fail unless the weights are averaged; where EMAHook ran they always are',
    )
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
