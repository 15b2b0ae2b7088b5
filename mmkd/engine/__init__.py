"""Around the training loop: hooks, checks before it starts, command lines, export."""

from .hooks import (
    AdapterResumeHook,
    CheckpointHook,
    DetVisualizationHook,
    NanGuardHook,
    PlainCheckpointHook,
    ReproducibleHook,
    TeacherClassesHook,
)

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'DetVisualizationHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'TeacherClassesHook',
]
