"""The demonstration behind ``tools/demo.py``: a teacher, a student alone, a distilled student."""

from .plan import PROFILES, Profile, Stage, make_stages
from .report import write_report
from .runner import StageFailedError, run_stages

__all__ = [
    'PROFILES',
    'Profile',
    'Stage',
    'StageFailedError',
    'make_stages',
    'run_stages',
    'write_report',
]
