"""Runs a script of MMDetection unmodified where mmcv is not compiled.

``python -m mmkd.run SCRIPT ARGS...`` imports mmkd, whose compat layer runs first, and then
executes SCRIPT as ``python SCRIPT ARGS...`` would. MMDetection's ``tools/test.py`` imports its
evaluation code, and with it mmcv's operations, before it reads a config whose ``custom_imports``
could name mmkd.
"""

import runpy
import sys
from pathlib import Path


def main(argv: list[str]) -> None:
    """Executes ``argv[0]`` as the main program with the rest as its arguments.

    Raises:
        SystemExit: With a message where no script is named or it does not exist.
    """
    if not argv or argv[0] in ('-h', '--help'):
        raise SystemExit('usage: python -m mmkd.run SCRIPT [ARGS...]')
    script = Path(argv[0])
    if not script.is_file():
        raise SystemExit(f'mmkd.run: there is no script {script}')
    sys.argv = argv
    sys.path.insert(0, str(script.resolve().parent))  # as python does for a script
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main(sys.argv[1:])
