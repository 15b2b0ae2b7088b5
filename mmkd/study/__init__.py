"""The comparison behind ``tools/compare.py``: methods over seeds, with intervals."""

from .candidates import check_fit
from .distill import Distilled, distill
from .distill import run as run_distillation
from .jobs import Job, make_jobs, select
from .launch import LAUNCHERS, Launcher, find_slots, write_job_array
from .outcome import write_outcome
from .plan import Arm, Detector, Study, make_study, read_study
from .record import Record
from .runner import Runner
from .search import Search

__all__ = [
    'LAUNCHERS',
    'Arm',
    'Detector',
    'Distilled',
    'Job',
    'Launcher',
    'Record',
    'Runner',
    'Search',
    'Study',
    'check_fit',
    'distill',
    'find_slots',
    'make_jobs',
    'make_study',
    'read_study',
    'run_distillation',
    'select',
    'write_job_array',
    'write_outcome',
]
