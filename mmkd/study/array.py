"""A Slurm job array of a study: one task per run, results collected by a further call."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from mmkd.utils.atomic import write_atomically
from mmkd.utils.errors import UserFileExistsError

from .jobs import TRAIN, Job

_SCRIPT = """#!/usr/bin/env bash
#SBATCH --job-name={name}
#SBATCH --array={first}-{last}
#SBATCH --output={logs}/array_%a.txt
# One run a task. {hint}
# Partition, time and GPUs are options of sbatch, e.g. --partition=P --gres=gpu:1 --time=2:00:00.
# When all have ended, collect the results (nothing is run again):
#   {collect}
set -e
cd {folder}
exec {command} --only "${{SLURM_ARRAY_TASK_ID:?submit this file with sbatch}}"
"""
_TEACHER_GIVEN = 'Submit it with: sbatch {file}'
_TEACHER_FIRST = """Task 0 trains the teacher, and the others need it:
#   id=$(sbatch --parsable --array=0 {file})
#   sbatch --dependency=afterok:$id --array=1-{last} {file}"""


def write_job_array(
    path: Path, name: str, jobs: Sequence[Job], arguments: Sequence[str], logs: Path
) -> Path:
    """Writes the script.

    Args:
        path: File to write.
        name: Of the study.
        jobs: All of its jobs.
        arguments: Words of the command line that describe the study, the script's name first.
        logs: Folder for what the tasks print.

    Raises:
        FileExistsError: The file exists.
    """
    if path.exists():
        raise UserFileExistsError(f'{path} exists: name another file, or delete it.')
    last = len(jobs) - 1
    trained = jobs[0].kind == TRAIN
    hint = (_TEACHER_FIRST if trained else _TEACHER_GIVEN).format(file=path, last=last)
    command = shlex.join([sys.executable, *arguments])
    text = _SCRIPT.format(
        name=name,
        first=0,
        last=last,
        hint=hint,
        command=command,
        collect=f'{command} --collect',
        folder=shlex.quote(str(Path.cwd())),
        logs=shlex.quote(str(logs)),
    )
    logs.mkdir(parents=True, exist_ok=True)
    write_atomically(text.encode(), path)
    path.chmod(0o755)
    return path
