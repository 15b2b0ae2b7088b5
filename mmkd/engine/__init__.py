"""Around the training loop: hooks, checks before it starts, command lines, export."""

from .hooks import (
    AdapterResumeHook,
    CheckpointHook,
    PlainCheckpointHook,
    ReproducibleHook,
    TeacherClassesHook,
)

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'TeacherClassesHook',
]
