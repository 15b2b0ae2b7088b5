"""The command lines' former place."""

from .commands.train_and_test import test_main, train_main

__all__ = ['test_main', 'train_main']
