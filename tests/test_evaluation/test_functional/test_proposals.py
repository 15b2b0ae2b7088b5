import numpy as np
import pytest
from mmdet.evaluation.functional import eval_recalls

from mmkd.evaluation.functional import proposal_recalls


def boxes(rng, count):
    corner = rng.uniform(0, 100, (count, 2))
    return np.hstack([corner, corner + rng.uniform(20, 80, (count, 2))]).astype(np.float32)


@pytest.mark.parametrize('seed', range(3))
def test_equal_to_mmdetection_where_it_runs(seed):
    # It stacks the images' overlaps into one array, so that all need the same numbers of boxes.
    rng = np.random.default_rng(seed)
    truths, proposals = [boxes(rng, 5) for _ in range(8)], [boxes(rng, 30) for _ in range(8)]
    options = ([1, 5, 20, 30], [0.3, 0.5, 0.7])
    host = eval_recalls(truths, proposals, *options, logger='silent')
    got = proposal_recalls([t.astype(float) for t in truths], [p.astype(float) for p in proposals],
                           *options)  # fmt: skip
    assert 0 < got.min() + got.max() < 1.9
    np.testing.assert_allclose(got, host, atol=1e-6)


def test_one_proposal_covers_one_truth():
    truth = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    assert proposal_recalls([truth], [truth[:1]], [10], [0.5]).item() == 0.5
    assert proposal_recalls([truth], [truth], [10], [1.0]).item() == 1


def test_images_without_truth_or_proposals_count_what_they_have():
    one, none = np.array([[0.0, 0, 10, 10]]), np.zeros((0, 4))
    assert proposal_recalls([one, none, one], [one, one, none], [1], [0.5]).item() == 0.5
    assert proposal_recalls([none], [none], [1, 2], [0.5]).tolist() == [[0.0], [0.0]]
