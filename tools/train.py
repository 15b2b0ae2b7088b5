"""Trains a detector, or distils one: ``python tools/train.py CONFIG``; see ``--help``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from mmkd.engine.commands.train_and_test import train_main

if __name__ == '__main__':
    sys.exit(train_main())
