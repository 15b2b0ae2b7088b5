import math

import numpy as np
import pytest

from mmkd.evaluation.functional import (
    FPPI_POINTS,
    SUBSETS,
    PedestrianFrame,
    Subset,
    log_average_miss_rate,
    match_pedestrians,
)
from tests.references import miss_rate as reference

ANY = Subset(0, np.inf, 0, np.inf)


def person(*box, label='person', occluded=0, visible=(0, 0, 0, 0)):
    return dict(box=box, label=label, occluded=occluded, visible=visible)


def found(*box, score=0.9):
    return dict(box=box, score=score)


def frame_of(objects, detections):
    def xyxy(things):
        boxes = np.array([t['box'] for t in things], float).reshape(-1, 4)
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)

    share = [
        o['visible'][2] * o['visible'][3] / (o['box'][2] * o['box'][3])
        if o['occluded'] else math.inf
        for o in objects
    ]  # fmt: skip
    return PedestrianFrame(
        boxes=xyxy(objects),
        candidate=np.array([o['label'] == 'person' for o in objects], bool),
        visible=np.array(share, float),
        detections=xyxy(detections),
        scores=np.array([d['score'] for d in detections], float),
    )


def evaluate(images, subset=ANY, bounds=None, ratio=None):
    frames = [frame_of(*image) for image in images]
    return log_average_miss_rate(frames, subset, bounds=bounds, aspect_ratio=ratio)


def random_images(rng, count):
    images = []
    for _ in range(count):
        objects, detections = [], []
        for _ in range(rng.integers(0, 6)):
            x, y = rng.integers(0, 60, 2)
            h = int(rng.choice([19, 20, 39, 40, 50, 60, 80, 100]))
            w = int(rng.integers(15, 50))
            label = str(rng.choice(['person', 'person', 'person', 'people', 'person?']))
            part = float(rng.choice([0.1, 0.3, 0.65, 0.8, 1.0]))
            occluded = int(rng.random() < 0.4)
            box = (float(x), float(y), float(w), float(h))
            objects.append(
                person(*box, label=label, occluded=occluded, visible=(x, y, w * part, h))
            )
            for _ in range(rng.integers(0, 3)):
                moved = np.array(box) + rng.uniform(-5, 5, 4) * rng.integers(0, 2)
                detections.append(found(*moved, score=float(np.round(rng.random(), 1))))
        for _ in range(rng.integers(0, 2)):
            box = (*rng.uniform(0, 90, 2), *rng.uniform(10, 70, 2))
            detections.append(found(*box, score=float(rng.random())))
        images.append((objects, [detections[i] for i in rng.permutation(len(detections))]))
    return images


class TestAgainstTheReference:
    @pytest.mark.parametrize('name', list(SUBSETS))
    @pytest.mark.parametrize('seed', range(4))
    def test_equal_on_random_scenes(self, seed, name):
        rng = np.random.default_rng(seed)
        images = random_images(rng, int(rng.integers(5, 80)))
        bounds = (5, 5, 110, 130) if seed % 2 else None
        ratio = 0.41 if seed > 1 else None
        subset = SUBSETS[name]
        expected, persons = reference.log_average_miss_rate(
            images, subset[:2], subset[2:], bounds, ratio
        )
        curve = evaluate(images, subset, bounds, ratio)
        assert curve.log_average == pytest.approx(expected, abs=1e-12)
        assert curve.pedestrians == persons

    def test_the_random_scenes_reach_every_rule(self):
        images = random_images(np.random.default_rng(0), 200)
        curves = [evaluate(images, subset) for subset in SUBSETS.values()]
        assert all(c.pedestrians > 5 for c in curves)
        assert len({round(c.log_average, 6) for c in curves}) == len(curves)


class TestRates:
    def test_there_are_nine_between_a_hundredth_and_one(self):
        np.testing.assert_allclose(FPPI_POINTS, [10**-2, 10**-1.75, 10**-1.5, 10**-1.25, 10**-1,
                                                 10**-0.75, 10**-0.5, 10**-0.25, 1])  # fmt: skip

    def test_one_image_one_false_positive_counts_at_rate_one_alone(self):
        # Above both hits: the rate is 1 from the first detection on, so that only at the ninth
        # point the two persons are found: miss rates 1 (8 times) and the floor.
        image = ([person(0, 0, 20, 50), person(100, 0, 20, 50)],
                 [found(200, 0, 20, 50, score=0.9), found(0, 0, 20, 50, score=0.5),
                  found(100, 0, 20, 50, score=0.4)])  # fmt: skip
        curve = evaluate([image])
        np.testing.assert_allclose(curve.miss_rate, [1] * 8 + [0])
        assert curve.log_average == pytest.approx(math.exp(math.log(1e-10) / 9))

    def test_a_false_positive_in_a_hundred_images_is_within_the_first_rate(self):
        hit = ([person(0, 0, 20, 50)], [found(0, 0, 20, 50, score=0.5)])
        wrong = ([person(0, 0, 20, 50)], [found(200, 0, 20, 50, score=0.9)])
        curve = evaluate([hit] * 99 + [wrong])
        np.testing.assert_allclose(curve.miss_rate, 0.01)
        assert curve.log_average == pytest.approx(0.01)

    def test_a_detector_that_never_reaches_a_rate_keeps_its_last_miss_rate(self):
        images = [([person(0, 0, 20, 50)], [found(0, 0, 20, 50)] * (i % 2)) for i in range(10)]
        assert evaluate(images).log_average == pytest.approx(0.5)

    @pytest.mark.parametrize('images', [
        [([person(0, 0, 20, 50)], [])], [([], [found(0, 0, 20, 50)])], [([], [])], [],
    ])  # fmt: skip
    def test_nothing_found_or_nothing_there_is_a_miss_rate_of_one(self, images):
        assert evaluate(images).log_average == 1

    def test_perfect_detections_miss_nothing(self):
        assert evaluate([([person(0, 0, 20, 50)], [found(0, 0, 20, 50)])]).log_average < 1e-9


class TestMatching:
    BOXES = np.array([[0, 0, 20, 50], [100, 0, 120, 50]], float)

    def outcome(self, detections, scores, ignored, boxes=BOXES):
        return match_pedestrians(
            boxes, np.array(ignored, bool), np.array(detections, float), np.array(scores), 0.5
        ).tolist()

    def test_the_higher_score_takes_the_box_and_the_other_is_wrong(self):
        twice = [self.BOXES[0], self.BOXES[0]]
        assert self.outcome(twice, [0.1, 0.9], [0, 0]) == [0, 1]

    def test_an_ignored_box_excuses_any_number(self):
        assert self.outcome([self.BOXES[1]] * 3, [0.3, 0.2, 0.1], [0, 1]) == [-1] * 3

    def test_of_an_ignored_box_the_share_of_the_detection_decides(self):
        # A small detection wholly within a large ignored region: IoU is tiny, its share is 1. Half
        # of it inside is just enough.
        region = np.array([[0, 0, 1000, 1000]], float)
        inside, half, less = [10, 10, 30, 60], [-10, 10, 10, 60], [-11, 10, 9, 60]
        assert self.outcome([inside, half, less], [1, 1, 1], [1], region) == [-1, -1, 0]

    def test_a_box_that_counts_comes_before_an_ignored_one_that_fits_better(self):
        boxes = np.array([[0, 0, 20, 50], [4, 0, 24, 50]], float)
        assert self.outcome([boxes[1]], [0.9], [0, 1], boxes) == [1]

    def test_half_an_overlap_is_enough(self):
        # 20 x 50 against 10 x 50 inside it: IoU 0.5.
        assert self.outcome([[0, 0, 10, 50]], [0.9], [0, 0]) == [1]
        assert self.outcome([[0, 0, 9.9, 50]], [0.9], [0, 0]) == [0]

    def test_of_two_free_boxes_the_one_that_fits_better_is_taken(self):
        boxes = np.array([[0, 0, 20, 50], [3, 0, 23, 50]], float)
        # Both go to the second; the first detection takes it, the second falls back on the first.
        assert self.outcome([boxes[1], boxes[1]], [0.9, 0.8], [0, 0], boxes) == [1, 1]

    def test_of_two_that_fit_equally_the_last_is_taken(self):
        # The first detection lies halfway; it takes the right box, so that the second, which only
        # fits that one, is wrong.
        boxes = np.array([[0, 0, 20, 50], [6, 0, 26, 50]], float)
        seen = [[3, 0, 23, 50], [10, 0, 30, 50]]
        assert self.outcome(seen, [0.9, 0.8], [0, 0], boxes) == [1, 0]
        truths = [((0, 0, 20, 50), True), ((6, 0, 20, 50), True)]
        assert reference.evaluate(truths, [((3, 0, 20, 50), 0.9), ((10, 0, 20, 50), 0.8)]) == [
            (0.9, True), (0.8, False)]  # fmt: skip


class TestSubsets:
    @pytest.mark.parametrize('height, name, counts', [
        (49, 'reasonable', 0), (50, 'reasonable', 1), (49, 'all', 1), (19, 'all', 0),
        (79, 'medium', 1), (80, 'medium', 0), (80, 'near', 1), (100, 'large', 1),
        (29, 'far', 1), (30, 'far', 0),
    ])  # fmt: skip
    def test_heights(self, height, name, counts):
        assert evaluate([([person(0, 0, 20, height)], [])], SUBSETS[name]).pedestrians == counts

    @pytest.mark.parametrize('share, name, counts', [
        (0.64, 'reasonable', 0), (0.65, 'reasonable', 1), (0.2, 'all', 1), (0.19, 'all', 0),
        (0.65, 'partial', 1), (1.0, 'partial', 1), (0.65, 'heavy', 1), (0.66, 'heavy', 0),
        (1.0, 'unoccluded', 0),
    ])  # fmt: skip
    def test_visible_shares(self, share, name, counts):
        thing = person(0, 0, 20, 60, occluded=1, visible=(0, 0, 20, 60 * share))
        assert evaluate([([thing], [])], SUBSETS[name]).pedestrians == counts

    def test_a_box_not_marked_as_occluded_counts_where_no_limit_is_from_above(self):
        counting = [
            n
            for n in ('reasonable', 'all', 'partial', 'heavy', 'unoccluded')
            if evaluate([([person(0, 0, 20, 60)], [])], SUBSETS[n]).pedestrians
        ]
        assert counting == ['reasonable', 'all', 'unoccluded']

    @pytest.mark.parametrize('label', ['person?', 'people', 'ignore'])
    def test_other_labels_are_ignored_and_excuse(self, label):
        image = ([person(0, 0, 20, 60), person(100, 0, 60, 60, label=label)],
                 [found(0, 0, 20, 60), found(110, 0, 20, 60)])  # fmt: skip
        curve = evaluate([image], SUBSETS['reasonable'])
        assert curve.pedestrians == 1 and curve.log_average < 1e-9

    def test_detections_beyond_the_widened_heights_are_left_out(self):
        # Reasonable: from 50 / 1.25 = 40 on.
        image = [person(0, 0, 20, 60)]
        for height, miss_rate in [(39.9, 1e-10), (40, 10 ** (-10 / 9))]:
            seen = [found(0, 0, 20, 60, score=0.5), found(200, 0, 20, height, score=0.9)]
            curve = evaluate([(image, seen)], SUBSETS['reasonable'])
            assert curve.log_average == pytest.approx(miss_rate, rel=1e-6)

    def test_a_box_that_leaves_the_bounds_is_ignored(self):
        bounds = (5, 5, 100, 100)
        for box, counts in [((5, 5, 20, 60), 1), ((4, 5, 20, 60), 0), ((80, 40, 20, 60), 1),
                            ((81, 40, 20, 60), 0), ((80, 41, 20, 60), 0)]:  # fmt: skip
            assert evaluate([([person(*box)], [])], ANY, bounds).pedestrians == counts

    def test_widths_are_brought_to_the_ratio_around_the_centre(self):
        # The same height and centre, a fifth of the width: one box after the ratio, two before.
        image = ([person(50, 0, 10, 60)], [found(54, 0, 2, 60)])
        assert evaluate([image]).log_average == 1
        assert evaluate([image], ratio=0.41).log_average < 1e-9
