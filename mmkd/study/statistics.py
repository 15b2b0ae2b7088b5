"""Means, intervals and paired differences over seeds.

Intervals are Student's t intervals: they take the seeds' results for a normal sample, which no
handful of seeds can show. Nothing is said of spread that fewer than two seeds cannot tell.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Of mAP; a share of a smaller gap is noise divided by noise.
LEAST_GAP = 0.005


@dataclass(frozen=True)
class Summary:
    """A sample of one number per seed.

    Attributes:
        deviation: Sample standard deviation (divisor n - 1); None for one seed.
        low: Lower end of the t interval of the mean; None for one seed.
        high: Its upper end.
    """

    count: int
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Paired:
    """A method against the student alone, seed by seed.

    Attributes:
        seeds: Those that both have.
        differences: Method minus student alone, in the order of ``seeds``.
        summary: Of the differences, with the interval of their mean.
        p_value: Two-sided, of the paired t test; None for one seed or equal differences.
        p_holm: The same, corrected by Holm for all methods of the study.
        gap_closed: Mean difference over (teacher - student alone); None where that gap is below
            ``LEAST_GAP``.
        gap_low: Lower end of its interval, the gap itself taken as measured.
        gap_high: Its upper end.
    """

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    summary: Summary
    p_value: float | None
    p_holm: float | None = None
    gap_closed: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None


def summarize(values: Sequence[float], confidence: float = CONFIDENCE) -> Summary:
    """Mean, deviation and t interval of at least one value; ``confidence`` in (0, 1)."""
    array = np.asarray(values, dtype=float)
    mean = float(array.mean())
    if len(array) < 2:
        return Summary(len(array), mean)
    deviation = float(array.std(ddof=1))
    half = float(stats.t.ppf((1 + confidence) / 2, len(array) - 1)) * deviation / len(array) ** 0.5
    return Summary(len(array), mean, deviation, mean - half, mean + half)


def compare(
    method: Mapping[int, float], student: Mapping[int, float], teacher: float | None
) -> Paired | None:
    """Paired differences of results by seed; None where there is no common seed."""
    seeds = tuple(sorted(set(method) & set(student)))
    if not seeds:
        return None
    distilled, alone = [method[s] for s in seeds], [student[s] for s in seeds]
    differences = tuple(a - b for a, b in zip(distilled, alone, strict=True))
    summary = summarize(differences)
    gap = None if teacher is None else teacher - float(np.mean(alone))
    shares: dict[str, float] = {}
    if gap is not None and gap >= LEAST_GAP:
        shares['gap_closed'] = summary.mean / gap
        if summary.low is not None and summary.high is not None:
            shares.update(gap_low=summary.low / gap, gap_high=summary.high / gap)
    return Paired(seeds, differences, summary, _p_value(distilled, alone), **shares)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's correction of p-values for their number.

    Source: S. Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal
    of Statistics 6 (1979).
    """
    corrected, largest = {}, 0.0
    for rank, (name, value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * value))
        corrected[name] = largest
    return corrected


def overlap(first: Summary, second: Summary) -> bool | None:
    """Whether the intervals of two means overlap; None where one has no interval."""
    if first.low is None or second.low is None or first.high is None or second.high is None:
        return None
    return first.low <= second.high and second.low <= first.high


def _p_value(method: Sequence[float], student: Sequence[float]) -> float | None:
    if len(method) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # equal differences: the statistic is infinite or nan
        value = float(stats.ttest_rel(method, student).pvalue)
    return value if np.isfinite(value) else None
