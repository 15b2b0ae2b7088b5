"""The outcome of a study: everything that ``study.json`` holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from statistics import median

from mmkd.utils.errors import UserError
from mmkd.utils.hashes import file_hash
from mmkd.utils.types import Entries, Setting
from mmkd.version import __version__

from . import markers
from .jobs import Job
from .logs import final_metrics, find_metric, per_class, read_scalars
from .plan import STUDENT, TEACHER, Study
from .record import Record
from .statistics import CONFIDENCE, LEAST_GAP, Summary, compare, holm, overlap, summarize
from .table import number

NO_GAP = 'The teacher is hardly ahead of the student alone: there is no gap to close.'


def collect(study: Study, jobs: Sequence[Job], record: Record | None = None) -> Entries:
    """Reads what finished runs left, here or in ``record``; what is unfinished is missing.

    Raises:
        ValueError: No run is finished, or the metric is not among what was logged.
    """
    record = record or Record(None)
    runs = {}
    for job in jobs:
        here = _usable(job)
        if (measured := _measured(job) if here else record.find(job)) is not None:
            runs[job.index] = {**measured, **_described(job), 'recorded': not here}
    if not runs:
        raise UserError(f'{study.name}: no run is finished yet in {study.work_dir}.')
    logged = {name: value for run in runs.values() for name, value in run['metrics'].items()}
    metric = find_metric(study.metric, logged)
    for run in runs.values():
        run['value'] = run['metrics'].get(metric, 0.0)  # COCO's metric is silent on no detection
        run['per_class'] = per_class(metric, run['metrics'])
    arms = _arms(study, jobs, runs)
    return dict(
        study=study.name,
        metric=metric,
        confidence=CONFIDENCE,
        mmkd=__version__,
        missing=[job.name for job in jobs if job.index not in runs],
        arms=arms,
        warnings=[
            *_warnings(arms),
            *_silent(runs.values(), metric),
            *_without_weights(runs.values()),
            *_mixed_teachers(runs.values(), record, metric),
            *_mixed_code(runs.values()),
        ],
        runs=list(runs.values()),
    )


def _usable(job: Job) -> bool:
    try:
        return markers.is_finished(job, markers.fingerprint(job))
    except FileNotFoundError:  # the teacher is not trained yet
        return False


def _described(job: Job) -> Entries:
    return dict(
        {key: getattr(job, key) for key in ('index', 'arm', 'title', 'seed', 'epochs')},
        checkpoint=str(job.checkpoint),
        work_dir=str(job.work_dir),
        config=markers.config_text(job),
    )


def _measured(job: Job) -> Entries:
    marker = markers.read_marker(job.work_dir)
    assert marker is not None
    logs = read_scalars(job.work_dir)
    # s; MiB on a GPU
    steps, memory = (logs.train.get(key, ([], []))[1] for key in ('time', 'memory'))
    return dict(
        fingerprint=markers.fingerprint(job),
        weights=file_hash(str(job.checkpoint)),
        metrics=final_metrics(job),
        curves={name: curve for name, curve in logs.val.items() if 'mAP' in name},
        step_seconds=median(steps) if steps else None,
        gpu_memory=max(memory) * 2**20 if memory else None,
        process_memory=marker.peak_memory or None,
        wall_seconds=marker.seconds,
        starts=marker.starts,
        versions=marker.versions,
    )


def _arms(study: Study, jobs: Sequence[Job], runs: Mapping[int, dict]) -> Entries:
    """Per arm its summary, and for methods the comparison with the student alone."""
    values: dict[str, dict[int, float]] = {}
    for run in runs.values():
        values.setdefault(run['arm'], {})[run['seed'] or 0] = run['value']
    teacher = next(iter(values.get(TEACHER, {}).values()), None)
    alone = values.get(STUDENT, {})
    found = {arm.name: compare(values.get(arm.name, {}), alone, teacher) for arm in study.arms[1:]}
    pairs = {name: pair for name, pair in found.items() if pair is not None}
    corrected = holm({n: p.p_value for n, p in pairs.items() if p.p_value is not None})
    pairs = {name: replace(pair, p_holm=corrected.get(name)) for name, pair in pairs.items()}
    titles = {TEACHER: TEACHER, **{arm.name: arm.title for arm in study.arms}}
    return {
        name: dict(
            title=title,
            values={str(seed): value for seed, value in sorted(values[name].items())},
            summary=asdict(summarize(list(values[name].values()))),
            paired=asdict(pairs[name]) if name in pairs else None,
            **_costs([run for run in runs.values() if run['arm'] == name]),
        )
        for name, title in titles.items()
        if values.get(name)
    }


def _costs(runs: Sequence[dict]) -> Entries:
    """Medians over runs of what a step costs, means of per-class AP."""
    costs: Entries = {}
    for key in ('step_seconds', 'gpu_memory', 'process_memory', 'wall_seconds'):
        known = [run[key] for run in runs if run[key] is not None]
        costs[key] = median(known) if known else None
    names = dict.fromkeys(name for run in runs for name in run['per_class'])
    costs['per_class'] = {
        name: asdict(summarize([run['per_class'].get(name, 0.0) for run in runs])) for name in names
    }
    return costs


def _warnings(arms: Setting) -> list[str]:
    """What the numbers do not say, in sentences."""
    notes = []
    methods = {name: arm for name, arm in arms.items() if name not in (TEACHER, STUDENT)}
    trained = [arm for name, arm in arms.items() if name != TEACHER]
    if few := [arm['title'] for arm in trained if arm['summary']['count'] < 2]:
        notes.append(f'{", ".join(few)}: one seed, so nothing is known of the spread.')
    for arm in methods.values():
        low, high = (arm['paired'] and arm['paired']['summary'][end] for end in ('low', 'high'))
        if low is not None and low <= 0 <= high:
            notes.append(
                f'{arm["title"]}: the interval of its difference to the student alone, '
                f'[{low:+.3f}, {high:+.3f}], contains 0: the runs do not show that it helps '
                'or harms.'
            )
    notes += ordered(methods)
    if {TEACHER, STUDENT} <= set(arms) and _mean(arms[TEACHER]) - _mean(arms[STUDENT]) < LEAST_GAP:
        notes.append(NO_GAP)
    return notes


def ordered(methods: Setting) -> list[str]:
    """Which of the methods the runs put in order, by their intervals."""
    common = [
        (pair, overlap(*(Summary(**arm['summary']) for arm in pair)))
        for pair in combinations(sorted(methods.values(), key=_mean, reverse=True), 2)
    ]
    if not any(shared for _, shared in common):
        return []
    apart = [
        ' and '.join(arm['title'] for arm in pair) for pair, shared in common if shared is False
    ]
    if not apart:
        return ['The intervals of the methods overlap: the runs do not order them.']
    return [f'Only the intervals of {"; ".join(apart)} lie apart; the runs order no other methods.']


def _mean(arm: Setting) -> float:
    return arm['summary']['mean']


def _silent(runs: Iterable[Setting], metric: str) -> list[str]:
    names = [_name(run) for run in runs if metric not in run['metrics']]
    return [f'{", ".join(names)}: found nothing; counts as 0.'] if names else []


def _without_weights(runs: Iterable[Setting]) -> list[str]:
    names = [_name(run) for run in runs if run['recorded']]
    if not names:
        return []
    return [
        f'{", ".join(names)}: recorded, their weights are not here; detections, masks, losses, '
        'parameters and multiply-adds are shown of the other runs alone.'
    ]


def _mixed_teachers(runs: Iterable[Setting], record: Record, metric: str) -> list[str]:
    """Recorded runs keep the teacher that they had; a new one is at fault for differences too."""
    students: dict[str, list[str]] = {}
    for run in runs:
        if weights := run['fingerprint'].get('teacher'):
            students.setdefault(weights, []).append(_name(run))
    if len(students) < 2:
        return []
    teachers = [run for run in (*record.runs.values(), *runs) if run['arm'] == TEACHER]
    known = {run['weights']: run['metrics'].get(metric) for run in teachers}
    each = [
        f'{weights[:12]} ({number(known.get(weights))}) of {", ".join(names)}'
        for weights, names in students.items()
    ]
    return [
        f'The distilled runs had {len(each)} teachers: {"; ".join(each)}. What lies between runs '
        'of different teachers is due to these too.'
    ]


def _name(run: Setting) -> str:
    return run['title'] if run['seed'] is None else f'{run["title"]} (seed {run["seed"]})'


def _mixed_code(runs: Iterable[Setting]) -> list[str]:
    """A fingerprint does not hold the code; that runs were made by several states of it is said."""
    codes = list(dict.fromkeys(run['versions'].get('code', 'unknown') for run in runs))
    if len(codes) < 2:
        return []
    return [
        f'Runs were made with {len(codes)} states of the code ({", ".join(codes)}): where a method '
        'or a default changed in between, delete the folders of its runs and call again.'
    ]
