"""Hooks for MMEngine's runner."""

from .adapter_resume import AdapterResumeHook
from .checkpoint import CheckpointHook
from .det_visualization import DetVisualizationHook
from .nan_guard import NanGuardHook
from .plain_checkpoint import PlainCheckpointHook
from .reproducible import ReproducibleHook
from .teacher_classes import TeacherClassesHook

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'DetVisualizationHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'TeacherClassesHook',
]
