"""What commonly ruins distillation, looked for before any time is spent on training."""

from .check import Check, State, render
from .run import Options, diagnose

__all__ = ['Check', 'Options', 'State', 'diagnose', 'render']
