"""Prints the table of methods of the README; with --update writes it there.

python tools/methods_table.py --update
"""

import mmkd  # noqa: F401
from mmkd.engine.commands.methods_table import main

if __name__ == '__main__':
    main()
