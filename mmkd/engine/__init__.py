"""Around the training loop: hooks, checks before it starts, command lines, export."""

from .hooks import (
    AdapterResumeHook,
    CheckpointHook,
    ClassNamesHook,
    DetVisualizationHook,
    NanGuardHook,
    PlainCheckpointHook,
    ReproducibleHook,
    StudentHook,
)

TeacherClassesHook = ClassNamesHook  # its name while it looked at teachers alone

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'ClassNamesHook',
    'DetVisualizationHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'StudentHook',
    'TeacherClassesHook',
]
