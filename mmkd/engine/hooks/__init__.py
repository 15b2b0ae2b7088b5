"""Hooks for MMEngine's runner."""

from .adapter_resume import AdapterResumeHook
from .checkpoint import CheckpointHook
from .class_names import ClassNamesHook
from .nan_guard import NanGuardHook
from .plain_checkpoint import PlainCheckpointHook
from .reproducible import ReproducibleHook

__all__ = [
    'AdapterResumeHook',
    'CheckpointHook',
    'ClassNamesHook',
    'NanGuardHook',
    'PlainCheckpointHook',
    'ReproducibleHook',
]
