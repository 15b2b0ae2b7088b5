import numpy as np
import pytest

from mmkd.evaluation.functional import area_under_curve, match_faces, wider_face_curve
from tests.references import wider_face as reference


def xyxy(boxes):
    boxes = np.array(boxes, float).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def evaluate(images):
    """AP of the module; images as the reference takes them."""
    matches = [
        match_faces(xyxy(faces), xyxy([b for b, _ in seen]), np.array([s for _, s in seen], float))
        for faces, seen, _ in images
    ]
    counted = [np.isin(np.arange(len(faces)) + 1, keep) for faces, _, keep in images]
    precision, recall, _ = wider_face_curve(matches, counted)
    return area_under_curve(precision, recall)


def random_images(rng, count):
    images = []
    for _ in range(count):
        faces = [
            (*rng.integers(0, 80, 2), *rng.integers(1, 40, 2)) for _ in range(rng.integers(0, 6))
        ]
        seen = []
        for face in faces:
            for _ in range(rng.integers(0, 3)):
                moved = np.array(face) + rng.uniform(-4, 4, 4) * rng.integers(0, 2)
                seen.append((tuple(moved), float(np.round(rng.normal(), 2))))  # ties, any range
        for _ in range(rng.integers(0, 3)):
            box = (*rng.uniform(0, 90, 2), *rng.uniform(2, 30, 2))
            seen.append((box, float(rng.normal())))
        keep = [i + 1 for i in range(len(faces)) if rng.random() < 0.7]
        images.append((faces, [seen[i] for i in rng.permutation(len(seen))], keep))
    return images


@pytest.mark.parametrize('seed', range(8))
def test_equal_to_the_reference_on_random_scenes(seed):
    rng = np.random.default_rng(seed)
    images = [([(0, 0, 9, 9)], [], [1]), *random_images(rng, int(rng.integers(1, 12)))]
    assert evaluate(images) == pytest.approx(reference.average_precision(images), abs=1e-12)


FACE, OTHER = (0, 0, 9, 9), (50, 50, 9, 9)


class TestRules:
    """Each by hand: with n faces, AP is the sum over recall steps 1/n of the best precision."""

    @pytest.mark.parametrize('images, expected', [
        # Both found.
        ([([FACE, OTHER], [(FACE, 0.9), (OTHER, 0.1)], [1, 2])], 1.0),
        # One of two found.
        ([([FACE, OTHER], [(FACE, 0.9)], [1, 2])], 0.5),
        # A false positive above the hit: precision 1/2 at recall 1.
        ([([FACE], [(OTHER, 0.9), (FACE, 0.1)], [1])], 0.5),
        # Below it: the envelope keeps 1.
        ([([FACE], [(FACE, 0.9), (OTHER, 0.1)], [1])], 1.0),
        # The second detection of a face is wrong: 2 proposals of which 1 finds one, then 2 of 3.
        ([([FACE, OTHER], [(FACE, 0.9), (FACE, 0.8), (OTHER, 0.1)], [1, 2])], 0.5 + 0.5 * 2 / 3),
        # On a face that does not count: neither right nor wrong, however often.
        ([([FACE, OTHER], [(OTHER, 0.9), (OTHER, 0.8), (FACE, 0.1)], [1])], 1.0),
        # An image without an annotated face: its detections cost nothing.
        ([([FACE], [(FACE, 0.1)], [1]), ([], [(OTHER, 0.9)], [])], 1.0),
        # An image whose faces do not count: a detection beside them is wrong.
        ([([FACE], [(FACE, 0.1)], [1]), ([FACE], [(OTHER, 0.9)], [])], 0.5),
        # An image without detections still has faces to find.
        ([([FACE], [(FACE, 0.9)], [1]), ([FACE], [], [1])], 0.5),
        # Nothing found at all.
        ([([FACE], [], [1])], 0.0),
        # One score in the whole set: all detections at every threshold.
        ([([FACE], [(FACE, 0.3), (OTHER, 0.3)], [1])], 0.5),
    ])  # fmt: skip
    def test_value_worked_out_by_hand(self, images, expected):
        assert evaluate(images) == pytest.approx(expected)
        assert reference.average_precision(images) == pytest.approx(expected)

    @pytest.mark.parametrize('width, found', [(4, True), (3, False)])
    def test_widths_count_both_ends_and_half_is_enough(self, width, found):
        # The face is 10 x 10; 5 x 10 of it is an IoU of exactly 0.5, 4 x 10 is less.
        assert evaluate([([FACE], [((0, 0, width, 9), 0.9)], [1])]) == float(found)

    def test_a_detection_belongs_to_the_face_that_it_overlaps_most(self):
        # It overlaps both by more than half; the nearer one does not count, so it is ignored and
        # the other face stays unfound.
        near, far = (0, 0, 9, 9), (2, 0, 9, 9)
        assert evaluate([([far, near], [(near, 0.9)], [1])]) == 0

    def test_scores_are_stretched_over_the_whole_set_and_not_over_an_image(self):
        # Alone, the second image's one detection would be at threshold 1; here it is at 0, below
        # the false positive at 0.5, and so precision at full recall is 2/3.
        images = [([FACE], [(FACE, 9.0), (OTHER, 5.0)], [1]), ([FACE], [(FACE, 1.0)], [1])]
        assert evaluate(images) == pytest.approx(0.5 + 0.5 * 2 / 3)

    def test_scores_closer_than_a_thousandth_share_a_threshold(self):
        # Ranked apart the hit would come first; both are above the same threshold.
        images = [([FACE], [(FACE, 0.50001), (OTHER, 0.5)], [1]),
                  ([FACE], [(OTHER, 1.0), (OTHER, 0.0)], [])]  # fmt: skip
        assert evaluate(images) == pytest.approx(1 / 3)


def test_without_a_face_that_counts_the_number_is_zero_and_says_so():
    matches = [match_faces(xyxy([FACE]), xyxy([FACE]), np.ones(1))]
    precision, recall, faces = wider_face_curve(matches, [np.zeros(1, bool)])
    assert faces == 0 and area_under_curve(precision, recall) == 0
