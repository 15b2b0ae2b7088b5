from types import SimpleNamespace

from mmkd.demo.progress import seconds_left

STAGES = [
    SimpleNamespace(name='teacher', needs=(), iterations=100),
    SimpleNamespace(name='student', needs=(), iterations=100),
    SimpleNamespace(name='distilled', needs=('teacher',), iterations=100),
]


def test_the_time_left_follows_the_longest_chain():
    done = dict(teacher=50, student=0, distilled=0)
    pace = dict(teacher=2.0, student=1.0, distilled=1.5)
    # Teacher 50 * 2, then distilled 100 * 1.5; the student's 100 lie beside them.
    assert seconds_left(STAGES, done, pace) == 250


def test_before_it_starts_a_distilled_step_is_estimated():
    done = dict(teacher=100, student=100, distilled=0)
    assert seconds_left(STAGES, done, dict(teacher=2.0, student=1.0)) == 100 * (1 + 0.35 * 2)


def test_nothing_is_promised_before_the_first_steps():
    assert seconds_left(STAGES, dict(teacher=0, student=0, distilled=0), {}) is None
