"""What is there to distil with? Methods, pairs and data sets, with what each needs.

python tools/list_parts.py methods
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.listing import LISTS
from mmkd.engine.commands.tool_options import new_parser
from mmkd.engine.readable_errors import run_readably


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__)
    parser.add_argument('what', nargs='?', choices=list(LISTS), help='default: all of them')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Prints an entry in two lines."""
    for what in [args.what] if args.what else LISTS:
        print(f'{what}:')
        for entry in LISTS[what]():
            print(f'  {entry.name}: {entry.what}\n      needs {entry.needs}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args())))
