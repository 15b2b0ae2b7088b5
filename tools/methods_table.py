"""Prints the table of methods of the README; with --update writes it there.

python tools/methods_table.py --update
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.methods_table import table, with_table
from mmkd.engine.commands.tool_options import new_parser
from mmkd.study.effects import effects

if __name__ == '__main__':
    parser = new_parser(__doc__)
    parser.add_argument('--update', action='store_true', help='write it into the README')
    root = Path(__file__).resolve().parents[1]
    found = effects(root / 'configs' / 'studies')
    if parser.parse_args().update:
        readme = root / 'README.md'
        readme.write_text(with_table(readme.read_text('utf-8'), root, found), 'utf-8')
    else:
        print(table(root, found))
