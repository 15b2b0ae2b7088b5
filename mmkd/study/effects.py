"""What the recorded studies say of each method, in a line."""

import json
from pathlib import Path

from mmengine.config import Config

from .plan import Arm, make_arm
from .statistics import Summary, compare

_AT_DEFAULTS = {'type', 'channels', 'on'}  # the last two say where, not how
_MEANS = ('pascal_voc/mAP_mean', 'coco/bbox_mAP')
_FEW = 3  # seeds, below which an interval says nothing


def effects(folder: Path) -> dict[str, list[str]]:
    """Mean paired difference to the student alone, with its interval from three seeds on.

    Args:
        folder: Of study files, e.g. ``configs/studies``; those whose ``record`` exists and whose
            ``metric`` is a mean over IoU 0.5 to 0.95 count, and of them the arms of one method at
            its defaults, and those in stages, which are the first method's.

    Returns:
        Lines such as ``+0.031 [+0.003, +0.060] recipe_bccd, 6 seeds`` by the method's class.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(folder.glob('*.py')):
        study = Config.fromfile(file)
        record = file.parent / study.get('record', file.name)
        if record.suffix != '.json' or not record.is_file():
            continue
        metric = study.get('metric')
        if metric not in _MEANS:
            continue
        runs = json.loads(record.read_text('utf-8'))['runs']
        values: dict[str, dict[int, float]] = {}
        for run in runs:
            if metric in run['metrics']:
                values.setdefault(run['arm'], {})[run['seed']] = run['metrics'][metric]
        for name, arm in study.methods.items():
            made = make_arm(name, arm, ())
            paired = compare(values.get(name, {}), values.get('student', {}), None)
            if paired is not None and _counts(made):
                method, *others = (one['type'].split('.')[-1] for one in made.methods)
                line = _line(paired.summary, file.stem) + f' with {", ".join(others)}' * bool(
                    others
                )
                found.setdefault(method, []).append(line)
    return found


def _counts(arm: Arm) -> bool:
    plain = not (arm.cfg_options or arm.unlabelled or arm.inherit) and arm.student_scale == 1
    alone = len(arm.methods) == 1 and set(arm.methods[0]) <= _AT_DEFAULTS
    return plain and (alone or arm.stages is not None)


def _line(summary: Summary, study: str) -> str:
    count = summary.count
    if count < _FEW:
        return f'{summary.mean:+.3f} {study}, {count} seed{"s" * (count > 1)}'
    return f'{summary.mean:+.3f} [{summary.low:+.3f}, {summary.high:+.3f}] {study}, {count} seeds'
