import importlib.util

import pytest

from mmkd.evaluation import BACKENDS
from mmkd.evaluation.benchmark import largest_difference, synthetic_coco, time_backends


def test_the_synthetic_set_has_the_size_asked_for_and_something_to_find():
    dataset, found = synthetic_coco(6, 20, boxes=4, classes=3)
    counts = [len(dataset[key]) for key in ('images', 'annotations', 'categories')]
    assert counts == [6, 24, 3] and len(found) == 120
    assert synthetic_coco(6, 20, boxes=4, classes=3) == (dataset, found)
    done = []
    timing = time_backends(dataset, found, ['pycocotools'], done.append)['pycocotools']
    assert done == ['pycocotools'] and timing.seconds > 0
    assert timing.curves.ar(100) > 0
    assert all(timing.curves.ar(100, area) > -1 for area in ('s', 'm', 'l'))  # all are there


def test_the_backends_agree_to_a_millionth():
    if any(importlib.util.find_spec(name) is None for name in BACKENDS):
        pytest.skip('a backend is not installed: pip install faster-coco-eval')
    timings = time_backends(*synthetic_coco(30, 40, classes=5), BACKENDS)
    first, second = (timing.curves for timing in timings.values())
    assert 0 < first.ap() < 1 and largest_difference(first, second) < 1e-6
