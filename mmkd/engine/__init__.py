"""Around the training loop: hooks, checks before it starts, command lines, export."""

from .hooks import (
    AdapterResumeHook,
    CheckpointHook,
    ClassNamesHook,
    NanGuardHook,
    PlainCheckpointHook,
    ReproducibleHook,
)

TeacherClassesHook = ClassNamesHook  # its name while it looked at teachers alone

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'ClassNamesHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'TeacherClassesHook',
]
