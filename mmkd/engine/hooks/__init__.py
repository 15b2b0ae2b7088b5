"""Hooks for MMEngine's runner."""

from .adapter_resume import AdapterResumeHook
from .checkpoint import CheckpointHook
from .class_names import ClassNamesHook
from .det_visualization import DetVisualizationHook
from .nan_guard import NanGuardHook
from .plain_checkpoint import PlainCheckpointHook
from .reproducible import ReproducibleHook
from .student import StudentHook
from .warm_up import WarmUpHook

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'ClassNamesHook',
    'DetVisualizationHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
    'StudentHook',
    'WarmUpHook',
]
