import numpy as np
import pytest

from mmkd.evaluation.functional import (
    DIFFICULTIES,
    DONT_CARE,
    MIN_OVERLAP,
    KITTIFrame,
    kitti_average_precision,
    kitti_precision,
    recall_thresholds,
)
from tests.references import kitti as reference

CLASSES = ('Car', 'Pedestrian', 'Cyclist')
LABELS = {
    **{name: (label, False) for label, name in enumerate(CLASSES)},
    'Van': (0, True),
    'Person_sitting': (1, True),
    'DontCare': (DONT_CARE, True),
}


def truth(kind, *box, truncation=0.0, occlusion=0):
    return dict(type=kind, box=box, truncation=truncation, occlusion=occlusion)


def found(kind, *box, score=0.9):
    return dict(type=kind, box=box, score=score)


def frame_of(truths, detections):
    """What the data set makes of a label file: boxes of other classes are left out."""
    kept = [t for t in truths if t['type'] in LABELS]
    return KITTIFrame(
        boxes=np.array([t['box'] for t in kept], float).reshape(-1, 4),
        labels=np.array([LABELS[t['type']][0] for t in kept], int),
        neighbour=np.array([LABELS[t['type']][1] for t in kept], bool),
        truncation=np.array([t['truncation'] for t in kept], float),
        occlusion=np.array([t['occlusion'] for t in kept], int),
        detections=np.array([d['box'] for d in detections], float).reshape(-1, 4),
        scores=np.array([d['score'] for d in detections], float),
        detected=np.array([CLASSES.index(d['type']) for d in detections], int),
    )


def evaluate(images, name, level):
    """(AP over 11 points, over 40, objects) of the module."""
    difficulty = next(d for d in DIFFICULTIES if d.name == level)
    precision, objects = kitti_precision(
        [frame_of(*image) for image in images], CLASSES.index(name), difficulty, MIN_OVERLAP[name]
    )
    return (
        kitti_average_precision(precision, 11), kitti_average_precision(precision, 40), objects
    )  # fmt: skip


def first_precision(truths, detections, name='Car', level='easy'):
    """Precision at the first step, which one object decides; both agree on it."""
    difficulty = next(d for d in DIFFICULTIES if d.name == level)
    frames = [frame_of(truths, detections)]
    got, _ = kitti_precision(frames, CLASSES.index(name), difficulty, MIN_OVERLAP[name])
    expected, _ = reference.precision_at_steps([(truths, detections)], name, level)
    np.testing.assert_allclose(got, expected, atol=1e-12)
    return got[0]


def random_scene(rng):
    """Boxes near the limits of height and overlap, of every kind, under detections near them."""
    kinds = [*CLASSES * 3, 'Van', 'Person_sitting', 'DontCare', 'Truck']
    heights = [20.0, 24.9, 25.0, 26.0, 26.0, 39.9, 40.0, 41.0, 41.0, 60.0, 80.0, 99.0]
    truths, detections = [], []
    for _ in range(rng.integers(0, 7)):
        corner = rng.integers(0, 60, 2).astype(float)
        height = rng.choice(heights)
        box = (*corner, corner[0] + rng.integers(30, 80), corner[1] + height)
        kind = str(rng.choice(kinds))
        blocked = kind == 'DontCare'
        truths.append(truth(
            kind, *box,
            truncation=-1.0 if blocked else float(rng.choice([0, 0, 0, 0, 0.15, 0.3, 0.5, 0.6])),
            occlusion=-1 if blocked else int(rng.choice([0, 0, 0, 0, 1, 1, 2, 3])),
        ))  # fmt: skip
        for _ in range(rng.integers(0, 4)):
            shift = rng.uniform(-6, 6, 4) * rng.integers(0, 2)
            likely = kind if kind in CLASSES and rng.random() < 0.8 else str(rng.choice(CLASSES))
            score = float(np.round(rng.random(), 1))  # ties are frequent
            detections.append(found(likely, *(np.array(box) + shift), score=score))
    for _ in range(rng.integers(0, 2)):
        corner = rng.uniform(0, 90, 2)
        box = (*corner, *(corner + rng.uniform(20, 60, 2)))
        detections.append(found(str(rng.choice(CLASSES)), *box, score=float(rng.random())))
    order = rng.permutation(len(detections))
    return truths, [detections[i] for i in order]


class TestAgainstTheReference:
    @pytest.mark.parametrize('seed', range(12))
    def test_equal_on_random_scenes(self, seed):
        rng = np.random.default_rng(seed)
        images = [random_scene(rng) for _ in range(rng.integers(1, 60))]
        for name in CLASSES:
            for difficulty in DIFFICULTIES:
                expected = reference.average_precisions(images, name, difficulty.name)
                assert evaluate(images, name, difficulty.name) == pytest.approx(expected, abs=1e-9)

    def test_the_random_scenes_reach_every_rule(self):
        rng = np.random.default_rng(0)
        images = [random_scene(rng) for _ in range(600)]
        values = {
            (name, level): evaluate(images, name, level)
            for name in CLASSES for level in ('easy', 'moderate', 'hard')
        }  # fmt: skip
        assert len({round(ap, 6) for ap, _, _ in values.values()}) == 9
        assert all(0.02 < ap < 0.99 and objects > 40 for ap, _, objects in values.values())

    @pytest.mark.parametrize('count', [1, 2, 39, 40, 41, 42, 80, 81, 500, 1003])
    @pytest.mark.parametrize('share', [0.3, 1.0])
    def test_thresholds_are_the_same(self, count, share):
        scores = np.random.default_rng(count).random(max(1, int(share * count))).tolist()
        got = recall_thresholds(scores, count)
        assert got.tolist() == reference.thresholds(scores, count)
        assert len(got) <= 41


CAR = (100.0, 100.0, 200.0, 160.0)


class TestRules:
    """One car that is found; what else is there decides the precision."""

    def test_a_false_positive_beside_it_halves_precision(self):
        seen = [found('Car', *CAR), found('Car', 300, 100, 400, 160)]
        assert first_precision([truth('Car', *CAR)], seen) == 0.5

    def test_a_detection_inside_a_dont_care_region_is_no_error(self):
        truths = [truth('Car', *CAR), truth('DontCare', 290, 90, 420, 170, occlusion=-1)]
        seen = [found('Car', *CAR), found('Car', 300, 100, 400, 160)]
        assert first_precision(truths, seen) == 1

    @pytest.mark.parametrize('right, precision', [(370.0, 0.5), (371.0, 1.0)])
    def test_the_share_of_the_detection_in_the_region_must_exceed_the_overlap(
        self, right, precision
    ):
        # 100 wide, 70 or 71 of them inside: a share of exactly 0.7 does not exceed it. The region
        # is far wider, so that IoU would be tiny.
        truths = [truth('Car', *CAR), truth('DontCare', -900, 100, right, 160, occlusion=-1)]
        truths[0]['box'] = (100.0, 300.0, 200.0, 360.0)
        seen = [found('Car', 100, 300, 200, 360), found('Car', 300, 100, 400, 160)]
        assert first_precision(truths, seen) == precision

    def test_a_region_takes_no_detection_from_a_car(self):
        truths = [truth('DontCare', 0, 0, 900, 900, occlusion=-1), truth('Car', *CAR)]
        assert first_precision(truths, [found('Car', *CAR)]) == 1

    @pytest.mark.parametrize('kind, precision', [('Van', 1), ('Truck', 0.5), ('Pedestrian', 0.5)])
    def test_only_a_neighbour_excuses_a_detection_on_it(self, kind, precision):
        truths = [truth('Car', *CAR), truth(kind, 300, 100, 400, 160)]
        seen = [found('Car', *CAR), found('Car', 300, 100, 400, 160)]
        assert first_precision(truths, seen) == precision

    def test_person_sitting_is_the_neighbour_of_pedestrian_alone(self):
        sitting = truth('Person_sitting', 300, 100, 340, 160)
        for kind, precision in [('Pedestrian', 1), ('Cyclist', 0.5)]:
            truths = [truth(kind, 100, 100, 140, 180), sitting]
            seen = [found(kind, 100, 100, 140, 180), found(kind, 300, 100, 340, 160)]
            assert first_precision(truths, seen, kind) == precision

    @pytest.mark.parametrize('occlusion, counts', [
        (0, (1, 1, 1)), (1, (0, 1, 1)), (2, (0, 0, 1)), (3, (0, 0, 0)),
    ])  # fmt: skip
    def test_occlusion_counts_up_to_each_level(self, occlusion, counts):
        image = ([truth('Car', *CAR, occlusion=occlusion)], [])
        for level, expected in zip(('easy', 'moderate', 'hard'), counts):
            assert evaluate([image], 'Car', level)[2] == expected

    @pytest.mark.parametrize('truncation, counts', [
        (0.15, (1, 1, 1)), (0.16, (0, 1, 1)), (0.31, (0, 0, 1)), (0.51, (0, 0, 0)),
    ])  # fmt: skip
    def test_truncation_counts_up_to_each_level(self, truncation, counts):
        image = ([truth('Car', *CAR, truncation=truncation)], [])
        for level, expected in zip(('easy', 'moderate', 'hard'), counts):
            assert evaluate([image], 'Car', level)[2] == expected

    @pytest.mark.parametrize('height, counts', [
        (24.0, (0, 0, 0)), (25.0, (0, 0, 0)), (25.1, (0, 1, 1)), (40.0, (0, 1, 1)),
        (40.1, (1, 1, 1)),
    ])  # fmt: skip
    def test_a_box_must_be_higher_than_each_limit(self, height, counts):
        image = ([truth('Car', 100, 100, 200, 100 + height)], [])
        for level, expected in zip(('easy', 'moderate', 'hard'), counts):
            assert evaluate([image], 'Car', level)[2] == expected

    @pytest.mark.parametrize('occlusion', [2, 3])
    def test_a_detection_on_an_ignored_car_is_no_error(self, occlusion):
        truths = [truth('Car', *CAR), truth('Car', 300, 100, 400, 160, occlusion=occlusion)]
        seen = [found('Car', *CAR), found('Car', 300, 100, 400, 160)]
        assert first_precision(truths, seen, level='moderate') == 1

    @pytest.mark.parametrize('height, precision', [(24.9, 1), (25.0, 0.5)])
    def test_a_low_detection_is_no_error(self, height, precision):
        seen = [found('Car', *CAR), found('Car', 300, 100, 400, 100 + height)]
        assert first_precision([truth('Car', *CAR)], seen, level='hard') == precision

    def test_a_low_detection_excuses_the_car_that_it_lies_on(self):
        # Easy: the car is 41 high, the detection 39. It is neither a hit nor is there an error.
        image = ([truth('Car', 100, 100, 200, 141)], [found('Car', 100, 101, 200, 140)])
        assert evaluate([image], 'Car', 'easy') == (0, 0, 1)
        assert evaluate([image], 'Car', 'moderate')[0] == pytest.approx(1 / 11)

    def test_a_low_detection_of_any_class_may_take_a_box(self):
        # The devkit's way to find score thresholds: the highest score wins the car, and it is low.
        truths = [truth('Car', 100, 100, 200, 141)]
        good = found('Car', 100, 100, 200, 141, score=0.8)
        low = found('Pedestrian', 100, 101, 200, 140, score=0.9)
        assert first_precision(truths, [good]) == 1
        assert first_precision(truths, [good, low]) == 0
        assert first_precision(truths, [good, low], level='moderate') == 1

    def test_a_higher_detection_is_preferred_to_a_low_one_that_fits_better(self):
        truths = [truth('Car', 100, 100, 200, 141)]
        seen = [
            found('Car', 100, 101, 200, 140, score=0.8), found('Car', 100, 90, 200, 141, score=0.9)
        ]  # fmt: skip
        assert first_precision(truths, seen) == 1

    def test_the_second_detection_of_one_car_is_an_error(self):
        seen = [found('Car', *CAR, score=0.9), found('Car', *CAR, score=0.9)]
        assert first_precision([truth('Car', *CAR)], seen) == 0.5

    def test_an_overlap_of_exactly_the_limit_is_no_hit(self):
        # 100 x 60 against 70 x 60 inside it: IoU 0.7.
        image = ([truth('Car', *CAR)], [found('Car', 100, 100, 170, 160)])
        assert evaluate([image], 'Car', 'easy')[0] == 0

    def test_pedestrians_and_cyclists_need_half(self):
        image = ([truth('Cyclist', *CAR)], [found('Cyclist', 100, 100, 151, 160)])
        assert evaluate([image], 'Cyclist', 'easy')[0] == pytest.approx(1 / 11)


class TestSampling:
    @pytest.mark.parametrize('objects, eleven, forty', [
        (1, 1 / 11, 0.0), (3, 1 / 11, 2 / 40), (5, 2 / 11, 4 / 40), (41, 1.0, 1.0), (500, 1.0, 1.0),
    ])  # fmt: skip
    def test_perfect_detections_fill_one_step_an_object(self, objects, eleven, forty):
        images = [([truth('Car', *CAR)], [found('Car', *CAR, score=0.5 + 0.001 * i)])
                  for i in range(objects)]  # fmt: skip
        got = evaluate(images, 'Car', 'easy')
        assert got == pytest.approx((eleven, forty, objects))

    def test_half_of_many_objects_give_half(self):
        images = [([truth('Car', *CAR)], [found('Car', *CAR)] * (i % 2)) for i in range(800)]
        eleven, forty, _ = evaluate(images, 'Car', 'easy')
        assert eleven == pytest.approx(6 / 11) and forty == pytest.approx(0.5)

    def test_nothing_found_and_nothing_there_are_zero(self):
        assert evaluate([([truth('Car', *CAR)], [])], 'Car', 'easy') == (0, 0, 1)
        assert evaluate([([], [found('Car', *CAR)])], 'Car', 'easy') == (0, 0, 0)
        assert evaluate([([], [])], 'Car', 'easy') == (0, 0, 0)

    def test_another_number_of_points_is_refused(self):
        with pytest.raises(ValueError, match=r'\[11, 40\], got 101'):
            kitti_average_precision(np.zeros(41), 101)
