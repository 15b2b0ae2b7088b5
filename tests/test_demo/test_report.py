import pytest

from mmkd.demo.report import gap_closed


def test_the_gap_is_closed_by_the_share_that_the_distilled_student_gains():
    assert gap_closed(0.8, 0.6, 0.65) == pytest.approx(0.25)
    assert gap_closed(0.8, 0.6, 0.55) == pytest.approx(-0.25)


def test_without_a_gap_there_is_no_share():
    assert gap_closed(0.6, 0.6, 0.7) is None
    assert gap_closed(0.603, 0.6, 0.7) is None
