"""Around the training loop: hooks, checks before it starts, command lines, export."""

from . import hooks
from .hooks import *  # noqa: F403  what its __all__ names

TeacherClassesHook = hooks.ClassNamesHook  # its name while it looked at teachers alone

__all__ = [*hooks.__all__, 'TeacherClassesHook']
