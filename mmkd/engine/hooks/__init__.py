"""Hooks for MMEngine's runner."""

from .adapter_resume import AdapterResumeHook
from .checkpoint import CheckpointHook
from .class_names import ClassNamesHook
from .det_visualization import DetVisualizationHook
from .nan_guard import NanGuardHook
from .plain_checkpoint import PlainCheckpointHook
from .reproducible import ReproducibleHook
from .short_run import ShortRunHook
from .student import StudentHook

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'ClassNamesHook',
    'DetVisualizationHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'ShortRunHook',
    'StudentHook',
]
