"""Around the training loop: hooks, checks before it starts, command lines, export."""

from .hooks import (
    AdapterResumeHook,
    CheckpointHook,
    NanGuardHook,
    PlainCheckpointHook,
    ReproducibleHook,
    TeacherClassesHook,
)

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'TeacherClassesHook',
]
