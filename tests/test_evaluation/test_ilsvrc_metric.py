import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmkd.evaluation import ILSVRCDETMetric
from mmkd.evaluation.functional import tolerant_thresholds
from mmkd.registry import METRICS
from tests.references import ilsvrc

CLASSES = ('ant', 'bee', 'cow')


def sample(truth, predicted, ignored=()):
    """Each box as (label, x1, y1, x2, y2), a predicted one with its score at the end."""
    out = DetDataSample()
    for name, rows in (('gt_instances', truth), ('ignored_instances', ignored)):
        table = torch.tensor([list(r) for r in rows], dtype=torch.float64).reshape(-1, 5)
        setattr(out, name, InstanceData(bboxes=table[:, 1:], labels=table[:, 0].long()))
    table = torch.tensor([list(r) for r in predicted], dtype=torch.float64).reshape(-1, 6)
    out.pred_instances = InstanceData(
        bboxes=table[:, 1:5], labels=table[:, 0].long(), scores=table[:, 5]
    )
    return out.to_dict()


def evaluate(*samples, **options):
    metric = ILSVRCDETMetric(**options)
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def mean_ap(*samples, **options):
    return evaluate(*samples, **options)['ilsvrc_det/mAP']


def test_thresholds_by_hand():
    # 10 x 10 pixels: 100 / (20 * 20). 1 x 40: 40 / (11 * 50). From 25 x 25 on 0.5 holds, as
    # 24^2 / 34^2 is 0.498 and 25^2 / 35^2 is 0.510.
    boxes = np.array([[0, 0, 9, 9], [5, 5, 5, 44], [0, 0, 23, 23], [0, 0, 24, 24]], float)
    expected = [0.25, 40 / 550, 576 / 1156, 0.5]
    assert tolerant_thresholds(boxes) == pytest.approx(expected, abs=1e-12)
    assert tolerant_thresholds(boxes, tolerance=0.0, highest=0.7) == pytest.approx([0.7] * 4)


def test_a_small_object_is_found_by_a_box_ten_pixels_too_wide_and_high():
    small, large = (0, 50, 50, 59, 59), (0, 50, 50, 149, 149)
    assert mean_ap(sample([small], [(0, 50, 50, 69, 69, 0.9)])) == 1  # IoU 1/4, exactly enough
    assert mean_ap(sample([small], [(0, 50, 50, 69, 70, 0.9)])) == 0
    assert mean_ap(sample([small], [(0, 50, 50, 69, 69, 0.9)]), tolerance=0) == 0
    assert mean_ap(sample([large], [(0, 50, 50, 149, 100, 0.9)])) == 1  # 51 of 100 rows
    assert mean_ap(sample([large], [(0, 50, 50, 149, 98, 0.9)])) == 0


def test_a_detection_takes_the_best_of_the_free_boxes():
    # Both detections overlap the first box most. In VOC the second would be an error.
    truth = [(0, 0, 0, 99, 99), (0, 0, 30, 99, 129)]
    found = [(0, 0, 0, 99, 99, 0.9), (0, 0, 12, 99, 111, 0.8)]
    assert mean_ap(sample(truth, found)) == 1
    assert mean_ap(sample(truth[:1], found)) == 1  # the error comes last
    assert mean_ap(sample(truth[:1], found[::-1]), eval_mode='11points') == 1


def test_boxes_of_other_classes_and_other_images_are_not_taken():
    box = (0, 0, 0, 49, 49)
    result = evaluate(sample([box], [(1, *box[1:], 0.9)]), sample([(1, *box[1:])], []))
    assert result['ilsvrc_det/AP_ant'] == result['ilsvrc_det/AP_bee'] == 0
    assert 'ilsvrc_det/AP_cow' not in result


def test_an_ignored_box_excuses_what_takes_no_other():
    box, hard = (0, 0, 0, 49, 49), (0, 60, 60, 99, 99)
    found = [(*hard, 0.9), (*hard, 0.8), (*box, 0.7)]
    assert mean_ap(sample([box], found, [hard])) == 1
    assert mean_ap(sample([box], found)) == pytest.approx(1 / 3)


def test_nothing_detected_and_nothing_to_detect_are_zero():
    assert mean_ap(sample([(0, 0, 0, 9, 9)], [])) == 0
    assert mean_ap(sample([], [])) == 0


@pytest.mark.parametrize('seed', range(4))
def test_equal_to_a_slow_reading_of_the_rule(seed):
    rng = np.random.default_rng(seed)
    truths, founds = [], []
    scores = iter(rng.permutation(1000) / 1000)  # no two alike
    for _ in range(8):
        corner, extent = rng.integers(0, 40, (6, 2)), rng.integers(0, 35, (6, 2))
        truth = np.hstack([rng.integers(0, 2, (6, 1)), corner, corner + extent]).astype(float)
        near = np.repeat(truth, 3, axis=0)
        near[:, 1:] += rng.integers(-4, 5, near[:, 1:].shape)
        near[:, 3:] = np.maximum(near[:, 3:], near[:, 1:3])
        truths.append(truth.tolist())
        founds.append([[*row, next(scores)] for row in near.tolist()])
    result = evaluate(*[sample(*pair) for pair in zip(truths, founds)])
    for label, name in enumerate(CLASSES[:2]):
        boxes = [[tuple(t[1:]) for t in truth if t[0] == label] for truth in truths]
        seen = [(i, row[5], row[1:5]) for i, rows in enumerate(founds) for row in rows
                if row[0] == label]  # fmt: skip
        expected = ilsvrc.average_precision(boxes, seen)
        assert 0.05 < expected < 0.99
        assert result[f'ilsvrc_det/AP_{name}'] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('tolerance', [-1, float('nan'), float('inf'), '10'])
def test_a_tolerance_that_is_none_is_refused(tolerance):
    with pytest.raises(ValueError, match='tolerance must be .*>= 0.*, got'):
        ILSVRCDETMetric(tolerance=tolerance)


def test_the_registry_builds_it_under_its_scope():
    assert isinstance(METRICS.build(dict(type='mmkd.ILSVRCDETMetric')), ILSVRCDETMetric)
