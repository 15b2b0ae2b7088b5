"""Tests a detector: ``python tools/test.py CONFIG CHECKPOINT``; see ``--help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.train_and_test import test_main

if __name__ == '__main__':
    sys.exit(test_main())
