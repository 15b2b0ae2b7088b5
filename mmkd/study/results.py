"""The outcome of a study: everything that ``study.json`` holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from statistics import median

from mmkd.utils.errors import UserError
from mmkd.utils.types import Entries, Setting
from mmkd.version import __version__

from . import markers
from .jobs import Job
from .logs import final_metrics, find_metric, per_class, read_scalars
from .plan import STUDENT, TEACHER, Study
from .statistics import CONFIDENCE, LEAST_GAP, Summary, compare, holm, overlap, summarize

NO_GAP = 'The teacher is hardly ahead of the student alone: there is no gap to close.'


def collect(study: Study, jobs: Sequence[Job]) -> Entries:
    """Reads what finished runs left; what is unfinished is listed as missing.

    Raises:
        ValueError: No run is finished, or the metric is not among what was logged.
    """
    runs = {job.index: _read_run(job) for job in jobs if _usable(job)}
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
        warnings=[*_warnings(arms), *_silent(runs.values(), metric), *_mixed_code(runs.values())],
        runs=list(runs.values()),
    )


def _usable(job: Job) -> bool:
    try:
        return markers.is_finished(job, markers.fingerprint(job))
    except FileNotFoundError:  # the teacher is not trained yet
        return False


def _read_run(job: Job) -> Entries:
    marker = markers.read_marker(job.work_dir)
    assert marker is not None
    train = read_scalars(job.work_dir).train
    steps, memory = (train.get(key, ([], []))[1] for key in ('time', 'memory'))  # s; MiB on a GPU
    return dict(
        {key: getattr(job, key) for key in ('index', 'arm', 'title', 'seed', 'epochs')},
        metrics=final_metrics(job),
        step_seconds=median(steps) if steps else None,
        gpu_memory=max(memory) * 2**20 if memory else None,
        process_memory=marker.peak_memory or None,
        wall_seconds=marker.seconds,
        **{key: getattr(marker, key) for key in ('starts', 'fingerprint', 'versions')},
        checkpoint=str(job.checkpoint),
        work_dir=str(job.work_dir),
        config=markers.config_text(job),
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
    names = [f'{r["title"]} (seed {r["seed"]})' for r in runs if metric not in r['metrics']]
    return [f'{", ".join(names)}: found nothing; counts as 0.'] if names else []


def _mixed_code(runs: Iterable[Setting]) -> list[str]:
    """A fingerprint does not hold the code; that runs were made by several states of it is said."""
    codes = list(dict.fromkeys(run['versions'].get('code', 'unknown') for run in runs))
    if len(codes) < 2:
        return []
    return [
        f'Runs were made with {len(codes)} states of the code ({", ".join(codes)}): where a method '
        'or a default changed in between, delete the folders of its runs and call again.'
    ]
