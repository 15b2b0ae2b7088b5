"""Which method for this pair, in a given time: a search, then seeds of its winner."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from mmkd.utils.errors import UserChildProcessError, UserError, UserImportError
from mmkd.utils.types import Setting

from .candidates import SPLIT_SHARE, cut_split, fitting
from .jobs import TRAIN, Job, make_jobs, select
from .logs import final_metrics, find_metric, read_scalars
from .markers import config_hash, read_marker
from .outcome import write_outcome
from .plan import Arm, Study

LEAST, MOST = 0.25, 4.0
"""Factors on the methods' own weights that are tried."""
_REDUCTION = 3  # of the trials of a rung one in so many goes on
_RUNGS = 3  # the last is the whole schedule
_TRIALS = 3  # fewer are no search
_WEIGHTS = 9  # of one method, on average
_SEEDS = 2  # fewer show no interval
_SEARCH_SHARE = 1 / 3  # of the time that the teacher leaves
_DISTILLED = 1.5  # times the student alone, until distilled runs are measured
_PREFIX = 'search_'

Run = Callable[[Sequence[Job], Sequence[Job]], dict[int, str]]
"""Runs the second, of all the first, and returns what went wrong by index."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a run: ``start`` once, ``epoch`` each."""

    start: float
    epoch: float

    def of(self, epochs: int) -> float:
        """Seconds of a run of so many epochs."""
        return self.start + epochs * self.epoch


class Search:
    """Successive halving over methods and weights, and the winner against the student alone.

    Optuna proposes (each method at its own weight first, then by TPE), prunes, and keeps a journal
    in the study's folder; runs are the study's, with short schedules in the early rungs. Neither
    the search nor its choice looks at the images that the final seeds are validated on.

    Args:
        study: Its arms are the candidates; those that do not fit the pair are left out.
        minutes: For everything, a teacher's training too.
        console: For messages.
        run: Runs jobs.
        slots: How many runs there are at a time.

    Raises:
        ValueError: No candidate fits, or no split can be cut from the training images.
        ImportError: Optuna is not installed.
    """

    def __init__(
        self, study: Study, minutes: float, console: Console, run: Run, slots: int
    ) -> None:
        self.optuna = _import_optuna()
        self.minutes, self.console, self.run, self.slots = minutes, console, run, slots
        alone = replace(study.arms[0], seeds=(0,))
        folder = study.work_dir / 'budget'
        self.study = replace(study, arms=(alone,), work_dir=folder, record=None)
        student = make_jobs(self.study)[1]
        self.epochs = student.epochs
        self.split = dict(study.search_options) or cut_split(student.plain)
        self.candidates = fitting(study, console)
        self.journal = self._open()

    def spend(self) -> str:
        """Searches, runs the seeds, writes the report; what came out, in one sentence.

        Raises:
            ValueError: The time is too short: names what is needed.
            ChildProcessError: A run without which there is no answer failed.
        """
        key = f'plan for {self.minutes:g} minutes'
        if key not in self.journal.user_attrs:
            alone, left = self._measure()
            self._search(alone, left)
            best = self.journal.best_trial
            epochs = best.user_attrs['epochs']
            distilled = _cost(self._folder(best.params, epochs), epochs)
            rest = left - self._searched()
            seeds = int(rest / self._of_seeds(alone, distilled))
            self.journal.set_user_attr(key, dict(best.params, seeds=max(1, seeds)))
        plan = self.journal.user_attrs[key]
        arm = self._arm(plan, tuple(range(plan['seeds'])))
        self.console.print(f'{arm.title} against the student alone, {plan["seeds"]} seeds')
        final = replace(self.study, arms=(replace(self.study.arms[0], seeds=arm.seeds), arm))
        jobs = make_jobs(final)
        self._run(jobs, jobs)
        outcome = write_outcome(final, jobs, self.console)
        spent = self._searched() / self.slots / 60
        return (
            f'{verdict(outcome["arms"][arm.name], outcome["metric"])}; {spent:.0f} of '
            f'{self.minutes:g} minutes were spent on the search.'
        )

    def _measure(self) -> tuple[Cost, float]:
        """What the student alone costs, and the seconds of all slots that the teacher leaves."""
        timed = Arm(f'{_PREFIX}time', 'student alone, one epoch', (), (0,))
        alone = _cost(self._short([timed], 1)[timed.name].work_dir, 1)
        teacher = self._teacher_seconds() * self.slots  # students wait for it
        left = self.minutes * 60 * self.slots - teacher
        trials = self._least_trials
        search = trials * _DISTILLED * alone.of(self._rungs(alone, 0)[0])
        seeds = _SEEDS * (1 + _DISTILLED) * self._of_seeds(alone)
        needed = (teacher + search + seeds) / self.slots / 60
        if left < search + seeds:
            raise UserError(
                f'--budget {self.minutes:g}',
                f'is too short: an epoch of the student alone takes {alone.epoch:.0f} s, the '
                f"teacher's training {teacher / self.slots / 60:.0f} min; {trials} trials and "
                f'{_SEEDS} paired seeds of {self.epochs} epochs need {needed:.0f} minutes',
                f'give --budget {math.ceil(needed)}, or a smaller --max-epochs',
            )
        self.console.print(
            f'an epoch of the student alone takes {alone.epoch:.0f} s; of {self.minutes:g} minutes '
            f'{teacher / self.slots / 60:.0f} go to the teacher, up to '
            f'{left * _SEARCH_SHARE / self.slots / 60:.0f} to the search over '
            f'{len(self.candidates)} methods in rungs of {self._rungs(alone, left)} epochs'
        )
        return alone, left

    def _teacher_seconds(self) -> float:
        job = make_jobs(self.study)[0]
        if job.kind != TRAIN:
            return 0.0
        marker = read_marker(job.work_dir)
        if marker is not None and marker.finished:
            return marker.seconds
        once = replace(self.study.teacher, max_epochs=1)
        timed = make_jobs(
            replace(self.study, teacher=once, work_dir=self.study.work_dir / 'time_of_teacher')
        )
        self._run(timed, timed[:1])
        return _cost(timed[0].work_dir, 1).of(job.epochs)

    def _of_seeds(self, *costs: Cost) -> float:
        """Seconds of one seed of runs that cost so much in the search, on fewer images."""
        return sum(cost.of(self.epochs) for cost in costs) / (1 - SPLIT_SHARE)

    def _rungs(self, alone: Cost, left: float) -> list[int]:
        """Epochs of the rungs; a run of the last may take a quarter of the search."""
        steps = {max(1, self.epochs // _REDUCTION**i) for i in range(_RUNGS)}
        most = left * _SEARCH_SHARE / 4
        first, *others = sorted(steps)
        return [first, *(e for e in others if _DISTILLED * alone.of(e) <= most)]

    def _search(self, alone: Cost, left: float) -> None:
        """Asks and tells until the search's share is spent; a killed trial is asked again."""
        state = self.optuna.trial.TrialState
        for trial in self.journal.get_trials(states=(state.RUNNING,)):
            self.journal.tell(trial.number, state=state.FAIL)
            self.journal.enqueue_trial(trial.params)
        rungs, share = self._rungs(alone, left), left * _SEARCH_SHARE
        batch, most = min(self.slots, len(self.candidates)), _WEIGHTS * len(self.candidates)
        least = batch * _DISTILLED * alone.of(rungs[0])
        while len(self.journal.trials) < most and (
            self._told() < self._least_trials or self._searched() + least <= share
        ):
            trials = [self._ask() for _ in range(batch)]
            for rung, epochs in enumerate(rungs):
                trials = self._climb(trials, rung, epochs, last=epochs == rungs[-1])
            best = self._arm(self.journal.best_trial.params).title if self._ended() else '-'
            minutes = [seconds / self.slots / 60 for seconds in (self._searched(), share)]
            self.console.print(
                f'search: {minutes[0]:.0f} of {minutes[1]:.0f} minutes, best so far: {best}'
            )
        if not self._ended():
            raise UserError(f'--budget: no trial went through; their logs are in {self._runs}.')

    def _ask(self) -> Any:
        trial = self.journal.ask()
        trial.suggest_categorical('method', list(self.candidates))
        trial.suggest_float('factor', LEAST, MOST, log=True)
        return trial

    def _climb(self, trials: list, rung: int, epochs: int, last: bool) -> list:
        """Runs trials on a rung, and tells; those that go on to the next."""
        arms = {}
        for trial in trials:
            arm, name = self._arm(trial.params), _short_name(trial.params, epochs)
            arms[name] = replace(arm, name=name, title=f'{arm.title}, epochs: {epochs}')
        jobs = self._short(list(arms.values()), epochs) if arms else {}
        state, on = self.optuna.trial.TrialState, []
        for trial in trials:
            value = _value(jobs[_short_name(trial.params, epochs)], self.study.metric)
            if value is None:
                self.journal.tell(trial, state=state.FAIL)
                continue
            trial.set_user_attr('epochs', epochs)
            trial.report(value, _REDUCTION**rung)
            if last:
                self.journal.tell(trial, value)
            elif trial.should_prune():
                self.journal.tell(trial, state=state.PRUNED)
            else:
                on.append(trial)
        return on

    def _short(self, arms: Sequence[Arm], epochs: int) -> dict[str, Job]:
        """The jobs of arms on the search's split, by name, once they have been run."""
        options = {**self.study.student.cfg_options, **self.split}
        student = replace(self.study.student, max_epochs=epochs, cfg_options=options)
        jobs = make_jobs(replace(self.study, student=student, arms=(*self.study.arms, *arms)))
        teacher, *chosen = select(jobs, arms=[arm.name for arm in arms])
        needed = any(job.needs == teacher.index for job in chosen)
        self._run(jobs, [teacher, *chosen] if needed else chosen, vital=False)
        return {job.arm: job for job in chosen}

    def _run(self, jobs: Sequence[Job], chosen: Sequence[Job], vital: bool = True) -> None:
        failed = self.run(jobs, chosen)
        for index, why in failed.items():
            self.console.print(f'[{index}] {jobs[index].name}: {why}', markup=False)
        if failed and (vital or 0 in failed):
            raise UserChildProcessError('--budget', 'a run failed', 'mend it, then call again')

    def _arm(self, params: Setting, seeds: tuple[int, ...] = (0,)) -> Arm:
        """A candidate with its weights times the factor."""
        candidate, factor = self.candidates[params['method']], _rounded(params['factor'])
        arm, weights = candidate.arm, candidate.weights
        methods = tuple(
            method if weight is None else {**method, 'loss_weight': weight * factor}
            for method, weight in zip(arm.methods, weights, strict=True)
        )
        at = f'{factor:g} times its weights'
        if len(weights) == 1 and weights[0] is not None:
            at = f'weight {weights[0] * factor:.2g}'
        name = f'{arm.name}_{factor:g}'
        return replace(arm, name=name, title=f'{arm.title} at {at}', methods=methods, seeds=seeds)

    def _open(self) -> Any:
        optuna, file = self.optuna, self.study.work_dir / 'search.journal'
        file.parent.mkdir(parents=True, exist_ok=True)
        journal = optuna.create_study(
            study_name='search',
            storage=optuna.storages.JournalStorage(
                optuna.storages.journal.JournalFileBackend(str(file))
            ),
            direction='maximize',
            load_if_exists=True,
            pruner=optuna.pruners.SuccessiveHalvingPruner(
                min_resource=1, reduction_factor=_REDUCTION
            ),
        )
        # Seeded by how far it is: after a kill it does not propose the same again.
        journal.sampler = optuna.samplers.TPESampler(seed=len(journal.trials))
        one = journal.user_attrs.get('of', self._subject)
        if one != self._subject:
            raise UserError(
                f'--budget: {file}',
                'is the journal of a search over other methods, or with other configs',
                'name another --work-dir, or remove that folder',
            )
        journal.set_user_attr('of', one)
        for name in self.candidates:
            journal.enqueue_trial(dict(method=name, factor=1.0), skip_if_exists=True)
        return journal

    @property
    def _subject(self) -> str:
        """Of what the trials are: their values mean nothing for another."""
        methods = {name: one.arm.methods for name, one in self.candidates.items()}
        teacher, student = make_jobs(self.study)
        hashes = [config_hash(job) for job in (teacher, student)]
        text = json.dumps([methods, hashes, self.split], default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _folder(self, params: Setting, epochs: int) -> Path:
        return self._runs / _short_name(params, epochs) / 'seed_0'

    @property
    def _runs(self) -> Path:
        return self.study.work_dir / 'runs'

    @property
    def _least_trials(self) -> int:
        return min(_TRIALS, len(self.candidates))

    def _told(self) -> int:
        """How many trials did not fail."""
        return self._ended() + len(
            self.journal.get_trials(states=(self.optuna.trial.TrialState.PRUNED,))
        )

    def _ended(self) -> int:
        """How many trials went through to the last rung."""
        return len(self.journal.get_trials(states=(self.optuna.trial.TrialState.COMPLETE,)))

    def _searched(self) -> float:
        """Seconds of all search runs together, over all starts."""
        markers = map(read_marker, self._runs.glob(f'{_PREFIX}*/seed_0'))
        return sum(marker.seconds for marker in markers if marker is not None)


def verdict(arm: Setting, metric: str) -> str:
    """Whether a method of the outcome is ahead of the student alone, by its interval."""
    found, name = arm['paired']['summary'], metric.rpartition('/')[2]
    if found['low'] is None:
        return (
            f'{arm["title"]} differs from the student alone by {found["mean"]:+.3f} {name} with '
            'one seed, which shows neither gain nor harm'
        )
    text = f'{found["mean"]:+.3f} [{found["low"]:.3f}, {found["high"]:.3f}] {name} over '
    text += f'{found["count"]} paired seeds'
    if found['low'] > 0:
        return f'{arm["title"]} beats the student alone by {text}'
    if found['high'] < 0:
        return f'{arm["title"]} falls behind the student alone by {text}'
    return f'{arm["title"]} is not shown to beat the student alone: {text}'


def _cost(folder: Path, epochs: int) -> Cost:
    """Of a finished run, read off the steps that it logged; without any its start counts as 0."""
    marker, train = read_marker(folder), read_scalars(folder).train
    assert marker is not None
    steps, times = train.get('time', ([], []))
    epoch = median(times) * steps[-1] / epochs if times else marker.seconds / epochs
    return Cost(max(0.0, marker.seconds - epochs * epoch), epoch)


def _value(job: Job, metric: str) -> float | None:
    """What a run reached, 0 where it detects nothing; None where it failed."""
    marker, metrics = read_marker(job.work_dir), final_metrics(job)
    if marker is None or not marker.finished:
        return None
    return metrics[find_metric(metric, metrics)] if metrics else 0.0


def _rounded(factor: float) -> float:
    return float(f'{factor:.2g}')


def _short_name(params: Setting, epochs: int) -> str:
    return f'{_PREFIX}{params["method"]}_{_rounded(params["factor"]):g}_e{epochs}'


def _import_optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UserImportError(
            '--budget', 'searches with Optuna', "install it: pip install 'mmkd[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
