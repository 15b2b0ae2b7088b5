"""Why did a distillation not help? What its finished runs show."""

from .finished import FinishedRun, read_finished
from .run import Outcome, diagnose_after

__all__ = ['FinishedRun', 'Outcome', 'diagnose_after', 'read_finished']
