"""Numbers of finished runs in a small file, without weights, with which a study goes on."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries, Setting

from .jobs import Job
from .markers import config_hash
from .plan import TEACHER

MEASURED = (
    'arm title seed epochs fingerprint weights metrics curves step_seconds gpu_memory '
    'process_memory wall_seconds starts versions'
).split()
"""What the file holds of a run; ``weights`` is the SHA-256 of its last checkpoint."""


class Record:
    """The runs that were recorded, by arm and seed, and a teacher also by its weights.

    A run counts as done while its job has the config that it was made with. The teacher that it had
    need not be there; :func:`mmkd.study.results.collect` says where there were several.

    Args:
        path: The file, which need not exist; None: nothing is recorded.

    Raises:
        ValueError: The file holds anything else.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.runs: dict[tuple, Entries] = {}
        try:
            self._add(json.loads(path.read_bytes())['runs'] if path else ())
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f'record: {path} is not as tools/compare.py wrote it ({error!r}): restore it, or '
                'name another file.'
            ) from error

    def find(self, job: Job) -> Entries | None:
        """What is recorded of a job as it is configured now; of a teacher the latest."""
        runs = [run for run in self._of(job) if run['fingerprint']['config'] == config_hash(job)]
        return runs[-1] if runs else None

    def changed(self, jobs: Iterable[Job]) -> list[str]:
        """Names of the jobs of which runs with other configs alone are recorded."""
        return [job.name for job in jobs if self._of(job) and self.find(job) is None]

    def without(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs that are still to be done, and a teacher's that one of them needs."""
        left = {job.index: job.needs for job in jobs if self.find(job) is None}
        return [job for job in jobs if job.index in {*left, *left.values()}]

    def write(self, study: str, runs: Iterable[Setting]) -> None:
        """Adds runs, in place of what is recorded of the same arm and seed, a line a run."""
        self._add({key: run[key] for key in MEASURED} for run in runs)
        if self.path is not None:
            lines = ',\n'.join(map(json.dumps, self.runs.values()))
            text = f'{{"study": {json.dumps(study)}, "runs": [\n{lines}\n]}}\n'
            write_atomically(text.encode(), self.path)

    def _add(self, runs: Iterable[Entries]) -> None:
        for run in runs:
            weights = run['weights'] if run['arm'] == TEACHER else None
            self.runs[run['arm'], run['seed'], weights] = run

    def _of(self, job: Job) -> list[Entries]:
        return [run for key, run in self.runs.items() if key[:2] == (job.arm, job.seed)]
