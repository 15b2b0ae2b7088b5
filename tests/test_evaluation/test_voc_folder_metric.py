import numpy as np
import pytest
import torch
from mmdet.evaluation import VOCMetric
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmkd.evaluation import VOCFolderMetric
from mmkd.registry import METRICS
from tests.references import voc

CLASSES = ('cat', 'dog', 'cow')


def sample(truth, predicted, ignored=()):
    """Each box as (label, x1, y1, x2, y2), a predicted one with its score at the end."""
    out = DetDataSample()
    for name, rows in (('gt_instances', truth), ('ignored_instances', ignored)):
        table = torch.tensor([list(r) for r in rows], dtype=torch.float).reshape(-1, 5)
        setattr(out, name, InstanceData(bboxes=table[:, 1:], labels=table[:, 0].long()))
    table = torch.tensor([list(r) for r in predicted], dtype=torch.float).reshape(-1, 6)
    out.pred_instances = InstanceData(
        bboxes=table[:, 1:5], labels=table[:, 0].long(), scores=table[:, 5]
    )
    return out.to_dict()


def evaluate(samples, metric=None, **kwargs):
    metric = metric or VOCFolderMetric(**kwargs)
    metric.dataset_meta = dict(classes=CLASSES)
    for start in range(0, len(samples), 2):
        metric.process({}, samples[start : start + 2])
    return metric.evaluate(len(samples))


TRUTH = [[(0, 10, 10, 49, 39), (1, 60, 20, 79, 59)], [(1, 5, 5, 24, 24)]]


def test_perfect_detections_score_one():
    samples = [sample(truth, [(*box, 0.9) for box in truth]) for truth in TRUTH]
    result = evaluate(samples)
    assert result['pascal_voc/mAP'] == result['pascal_voc/mAP_11points'] == 1
    assert result['pascal_voc/AP_cat'] == result['pascal_voc/AP_dog'] == 1


def test_no_detections_score_zero():
    assert evaluate([sample(truth, []) for truth in TRUTH])['pascal_voc/mAP'] == 0


def test_a_class_without_boxes_is_left_out_of_the_mean():
    samples = [
        sample(truth, [(*box, 0.9) for box in truth] + [(2, 0, 0, 9, 9, 1.0)]) for truth in TRUTH
    ]
    result = evaluate(samples)
    assert result['pascal_voc/mAP'] == 1 and 'pascal_voc/AP_cow' not in result


def test_both_rules_by_hand():
    # Two dogs. By falling score: hit (recall 1/2, precision 1), miss, hit (recall 1, 2/3).
    # Area: 1/2 * 1 + 1/2 * 2/3 = 5/6. Eleven points: recalls 0 to 0.5 are six at 1, the other five
    # at 2/3: (6 + 10/3) / 11.
    samples = [
        sample([TRUTH[0][1]], [(*TRUTH[0][1], 0.9), (1, 0, 0, 9, 9, 0.8)]),
        sample(TRUTH[1], [(*TRUTH[1][0], 0.7)]),
    ]
    result = evaluate(samples, eval_mode='11points')
    assert result['pascal_voc/mAP_area'] == pytest.approx(5 / 6)
    assert result['pascal_voc/mAP'] == pytest.approx((6 + 10 / 3) / 11)
    assert result['pascal_voc/AP_dog'] == result['pascal_voc/mAP']


def test_boxes_are_inclusive():
    # Truth 10x10 pixels, found 10x5: IoU exactly 1/2, a hit; exclusive widths would give 4 / 9.
    samples = [sample([(0, 0, 0, 9, 9)], [(0, 0, 0, 9, 4, 0.9)])] * 2
    assert evaluate(samples[:1])['pascal_voc/mAP'] == 1
    assert evaluate(samples[:1], iou_thr=0.51)['pascal_voc/mAP'] == 0


def test_ignored_boxes_are_neither_hit_nor_miss():
    found = [(*TRUTH[0][0], 0.5), (0, 70, 70, 99, 99, 0.9)]
    truth, hard = [TRUTH[0][0]], [(0, 70, 70, 99, 99)]
    assert evaluate([sample(truth, found, hard)])['pascal_voc/mAP'] == 1
    assert evaluate([sample(truth, found)])['pascal_voc/mAP'] == 0.5
    assert evaluate([sample(truth, found[:1], hard)])['pascal_voc/mAP'] == 1


@pytest.mark.parametrize('mode', ['area', '11points'])
def test_equal_to_mmdetection_on_random_detections(mode):
    rng = np.random.default_rng(0)

    def rows(count, scored):
        corner, extent = rng.uniform(0, 50, (count, 2)), rng.uniform(20, 60, (count, 2))
        columns = [rng.integers(0, 3, (count, 1)), corner, corner + extent]
        return np.hstack(columns + [rng.uniform(0, 1, (count, 1))] * scored).tolist()

    samples = [sample(rows(4, False), rows(30, True), rows(2, False)) for _ in range(6)]
    host = evaluate(samples, VOCMetric(eval_mode=mode))['pascal_voc/mAP']
    assert 0.01 < host < 0.99
    assert evaluate(samples, eval_mode=mode)['pascal_voc/mAP'] == pytest.approx(host, abs=1e-6)


def test_the_mean_over_thresholds_is_that_of_one_threshold_at_a_time():
    shifted = [[(label, x + 4, *rest, 0.9) for label, x, *rest in truth] for truth in TRUTH]
    samples = list(map(sample, TRUTH, shifted))
    thresholds = (0.5, 0.7, 0.9)
    alone = [evaluate(samples, iou_thr=iou)['pascal_voc/mAP'] for iou in thresholds]
    found = evaluate(samples, iou_thrs=thresholds)
    assert alone == sorted(alone, reverse=True) and alone[0] > alone[2]
    assert found['pascal_voc/mAP_mean'] == pytest.approx(np.mean(alone), abs=1e-12)
    assert found['pascal_voc/mAP'] == alone[0]


def test_the_registry_builds_it_under_its_scope():
    assert isinstance(METRICS.build(dict(type='mmkd.VOCFolderMetric')), VOCFolderMetric)


@pytest.mark.parametrize(
    'option', [dict(iou_thr=0), dict(iou_thr=50), dict(iou_thrs=[2]), dict(eval_mode='coco')]
)
def test_a_wrong_option_is_refused_by_name(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        VOCFolderMetric(**option)


class TestTheDevkit:
    def test_the_registry_knows_it_as_the_metric_of_voc(self):
        assert type(METRICS.build(dict(type='mmkd.VOCMetric'))) is VOCFolderMetric

    @pytest.mark.parametrize('seed', range(4))
    def test_equal_to_a_direct_reading_of_its_rule(self, seed):
        rng = np.random.default_rng(seed)

        def rows(count, *more):
            corner, extent = rng.integers(0, 50, (count, 2)), rng.integers(15, 60, (count, 2))
            columns = [rng.integers(0, 2, (count, 1)), corner, corner + extent]
            return np.hstack(columns + list(more)).astype(np.float32).tolist()

        truths, difficult = [rows(4) for _ in range(8)], [rows(3) for _ in range(8)]
        places = [np.array(t + d + t[:2]) for t, d in zip(truths, difficult)]
        scores = iter(rng.permutation(8 * 9) / 100 + 0.1)  # no two alike
        found = [
            [[row[0], *(row[1:] + rng.integers(-4, 5, 4)), next(scores)] for row in image]
            for image in places
        ]
        result = evaluate([sample(*image) for image in zip(truths, found, difficult)])
        eleven = []
        for label, name in enumerate(CLASSES[:2]):
            boxes = [
                [(t[1:], False) for t in truth if t[0] == label]
                + [(t[1:], True) for t in hard if t[0] == label]
                for truth, hard in zip(truths, difficult)
            ]
            seen = [
                (i, row[5], row[1:5]) for i, rows in enumerate(found) for row in rows
                if row[0] == label
            ]  # fmt: skip
            area = voc.average_precision(boxes, seen, eleven_points=False)
            assert 0.05 < area < 0.99
            assert result[f'pascal_voc/AP_{name}'] == pytest.approx(area, abs=1e-6)
            eleven.append(voc.average_precision(boxes, seen, eleven_points=True))
        assert result['pascal_voc/mAP_11points'] == pytest.approx(np.mean(eleven), abs=1e-6)
