"""Tests a detector: ``python tools/test.py CONFIG CHECKPOINT``; see ``--help``."""

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
if (CHECKOUT / 'mmkd' / '__init__.py').is_file():  # works without installation
    sys.path.insert(0, str(CHECKOUT))

from mmkd.engine.commands.train_and_test import test_main  # noqa: E402

if __name__ == '__main__':
    sys.exit(test_main())
