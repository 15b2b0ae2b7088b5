"""What is there to distil with? Methods, pairs and data sets, with what each needs.

python tools/list_parts.py methods
"""

import argparse
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

from mmkd.engine.commands.listing import LISTS  # noqa: E402
from mmkd.engine.readable_errors import run_readably  # noqa: E402


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('what', nargs='?', choices=list(LISTS), help='default: all of them')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Prints an entry in two lines."""
    for what in [args.what] if args.what else LISTS:
        print(f'{what}:')
        for entry in LISTS[what]():
            print(f'  {entry.name}: {entry.what}\n      needs {entry.needs}')


if __name__ == '__main__':
    sys.exit(run_readably(lambda: run(parse_args())))
