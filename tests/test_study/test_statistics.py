import math

import pytest

from mmkd.study.statistics import Summary, compare, holm, overlap, summarize


def test_mean_deviation_and_interval_worked_out_by_hand():
    # 0.70, 0.72, 0.74: mean 0.72, deviation sqrt((0.02^2 + 0 + 0.02^2) / 2) = 0.02;
    # t(0.975, 2) = 4.302653, half width 4.302653 * 0.02 / sqrt(3) = 0.049683.
    found = summarize([0.70, 0.72, 0.74])
    assert (found.count, found.mean, found.deviation) == pytest.approx((3, 0.72, 0.02))
    assert (found.low, found.high) == pytest.approx((0.670317, 0.769683), abs=1e-6)


def test_one_seed_has_no_spread():
    assert summarize([0.7]) == Summary(1, 0.7, None, None, None)
    pair = compare({0: 0.72}, {0: 0.70}, 0.80)
    assert pair.p_value is None and pair.summary.low is None
    assert pair.gap_closed == pytest.approx(0.2) and pair.gap_low is None


def test_differences_are_paired_by_seed():
    # Differences 0.01, 0.02, 0.03: mean 0.02, deviation 0.01, t = 0.02 / (0.01 / sqrt(3)) = 3.4641,
    # p = 2 * (1 - T_2(3.4641)) = 1 - t / sqrt(t^2 + 2) = 0.074180.
    pair = compare({2: 0.76, 0: 0.71, 1: 0.74, 9: 0.1}, {0: 0.70, 1: 0.72, 2: 0.73}, 0.8167)
    assert pair.seeds == (0, 1, 2)
    assert pair.differences == pytest.approx((0.01, 0.02, 0.03))
    t = 2 * math.sqrt(3)
    assert pair.p_value == pytest.approx(1 - t / math.sqrt(t**2 + 2), abs=1e-6)
    gap = 0.8167 - (0.70 + 0.72 + 0.73) / 3
    assert pair.gap_closed == pytest.approx(0.02 / gap)
    assert pair.gap_low == pytest.approx(pair.summary.low / gap)
    assert pair.gap_high == pytest.approx(pair.summary.high / gap)


def test_equal_differences_give_no_p_value():
    assert compare({0: 0.5, 1: 0.5}, {0: 0.5, 1: 0.5}, None).p_value is None


def test_without_a_common_seed_nothing_is_compared():
    assert compare({0: 0.5}, {1: 0.5}, 0.9) is None


@pytest.mark.parametrize('teacher', [0.704, 0.6, None])
def test_without_a_gap_no_share_of_it_is_given(teacher):
    assert compare({0: 0.71, 1: 0.72}, {0: 0.70, 1: 0.70}, teacher).gap_closed is None


def test_holm_multiplies_by_what_is_left_and_never_decreases():
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1 = 0.03, 0.06, 0.04, the last raised to 0.06.
    assert holm(dict(a=0.04, b=0.01, c=0.03)) == pytest.approx(dict(b=0.03, c=0.06, a=0.06))
    assert holm(dict(a=0.9, b=0.8)) == dict(b=1.0, a=1.0)


def test_overlap_of_intervals():
    first = summarize([0.70, 0.72, 0.74])
    assert overlap(first, summarize([0.75, 0.76, 0.77])) is True
    assert overlap(first, summarize([0.90, 0.91, 0.92])) is False
    assert overlap(first, summarize([0.7])) is None
