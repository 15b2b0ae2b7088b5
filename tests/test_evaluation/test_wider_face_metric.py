import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmkd.evaluation import WIDERFaceMetric
from mmkd.evaluation.wider_face_truth import read_wider_face_truth
from mmkd.registry import METRICS
from mmkd.testing.benchmarks import write_wider_face_truth
from tests.references import wider_face as reference

EVENTS = {
    '0--Parade': {
        '0_Parade_1': [(0, 0, 99, 99), (200, 0, 29, 29), (300, 0, 9, 9)],
        '0_Parade_2': [(10, 10, 50, 60)],
    },
    '1--Handshaking': {'1_Handshaking_1': []},
}
KEPT = dict(
    easy={'0_Parade_1': [1], '0_Parade_2': [], '1_Handshaking_1': []},
    medium={'0_Parade_1': [1, 2], '0_Parade_2': [1], '1_Handshaking_1': []},
    hard={'0_Parade_1': [1, 2, 3], '0_Parade_2': [1], '1_Handshaking_1': []},
)
IMAGES = [(event, name) for event, images in EVENTS.items() for name in images]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return write_wider_face_truth(tmp_path_factory.mktemp('truth'), EVENTS, KEPT)


def sample(event, name, predicted, **meta):
    """Each predicted box as (label, x, y, w, h, score)."""
    path = f'data/WIDERFace/WIDER_val/{event}/{name}.jpg'
    out = DetDataSample(metainfo=dict(img_path=path, img_id=name, **meta))
    table = torch.tensor([list(row) for row in predicted], dtype=torch.float).reshape(-1, 6)
    boxes = torch.cat([table[:, 1:3], table[:, 1:3] + table[:, 3:5]], dim=1)
    out.pred_instances = InstanceData(bboxes=boxes, labels=table[:, 0].long(), scores=table[:, 5])
    return out.to_dict()


def evaluate(samples, classes=('face',), **options):
    metric = METRICS.build(dict(type='mmkd.WIDERFaceMetric', **options))
    metric.dataset_meta = dict(classes=classes)
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


def test_the_ground_truth_is_read_with_its_three_lists(folder):
    truth = read_wider_face_truth(folder)
    assert list(truth) == [name for _, name in IMAGES]
    first = truth['0_Parade_1']
    np.testing.assert_array_equal(first.boxes[1], [200, 0, 229, 29])
    assert first.counted['easy'].tolist() == [True, False, False]
    assert first.counted['medium'].tolist() == [True, True, False]
    assert truth['1_Handshaking_1'].boxes.shape == (0, 4)


def test_the_three_numbers_worked_out_by_hand(folder):
    # The large face of image 1 is found, then a false positive, then the middle face.
    predicted = {'0_Parade_1': [(0, 0, 0, 99, 99, 0.9), (0, 500, 0, 40, 40, 0.5),
                                (0, 200, 0, 29, 29, 0.1)]}  # fmt: skip
    result = evaluate([sample(e, n, predicted.get(n, [])) for e, n in IMAGES],
                      ground_truth=str(folder))  # fmt: skip
    assert result == {
        'wider_face/AP_easy': pytest.approx(1),
        'wider_face/AP_medium': pytest.approx((1 + 2 / 3) / 3),  # two of three faces
        'wider_face/AP_hard': pytest.approx((1 + 2 / 3) / 4),  # two of four
    }


def test_perfect_detections_score_one_and_none_score_zero(folder):
    def all_of(event, name):
        return [(0, *face, 0.9 - 0.1 * i) for i, face in enumerate(EVENTS[event][name])]

    perfect = evaluate([sample(e, n, all_of(e, n)) for e, n in IMAGES], ground_truth=str(folder))
    nothing = evaluate([sample(e, n, []) for e, n in IMAGES], ground_truth=str(folder))
    assert list(perfect.values()) == [1, 1, 1] and list(nothing.values()) == [0, 0, 0]


def test_equal_to_the_reference_through_the_metric(folder):
    rng = np.random.default_rng(0)
    samples, seen = [], {}
    for event, name in IMAGES:
        rows = [(0, *np.float32(np.array(face) + rng.uniform(-3, 3, 4)), np.float32(rng.random()))
                for face in EVENTS[event][name] for _ in range(3)]  # fmt: skip
        rows.append((0, 400.0, 0.0, 20.0, 20.0, np.float32(0.99)))
        samples.append(sample(event, name, rows))
        seen[name] = [(tuple(map(float, row[1:5])), float(row[5])) for row in rows]
    result = evaluate(samples, ground_truth=str(folder))
    for level, kept in KEPT.items():
        images = [(EVENTS[e][n], seen[n], kept[n]) for e, n in IMAGES]
        expected = reference.average_precision(images)
        assert 0 < expected < 1
        assert result[f'wider_face/AP_{level}'] == pytest.approx(expected, abs=1e-6)


def test_only_detections_of_faces_are_looked_at(folder):
    predicted = [(1, 0, 0, 99, 99, 0.9), (0, 10, 10, 50, 60, 0.8)]
    result = evaluate([sample('0--Parade', '0_Parade_1', predicted)], ('hand', 'face'),
                      ground_truth=str(folder))  # fmt: skip
    assert result['wider_face/AP_easy'] == 1  # the box of label 0 would lie beside the faces


def test_a_part_of_the_images_is_evaluated_with_a_warning(folder, caplog):
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    result = evaluate([sample('0--Parade', '0_Parade_2', [(0, 10, 10, 50, 60, 0.9)])],
                      ground_truth=str(folder))  # fmt: skip
    logger.removeHandler(caplog.handler)
    assert result == {'wider_face/AP_medium': 1, 'wider_face/AP_hard': 1}  # no easy face in it
    assert any('1 of the 3 images' in record.getMessage() for record in caplog.records)


class TestWithoutGroundTruth:
    def test_the_annotations_of_the_data_set_are_one_difficulty(self):
        instances = [dict(bbox=[0, 0, 99, 99], bbox_label=0, ignore_flag=0),
                     dict(bbox=[200, 0, 229, 29], bbox_label=0, ignore_flag=1)]  # fmt: skip
        predicted = [(0, 200, 0, 29, 29, 0.9), (0, 0, 0, 99, 99, 0.1)]
        result = evaluate([sample('a', 'b', predicted, instances=instances)])
        assert result == {'wider_face/AP_all': 1}

    def test_missing_instances_name_the_setting(self):
        with pytest.raises(ValueError, match="add 'instances' to meta_keys"):
            evaluate([sample('a', 'b', [])])


class TestRefusals:
    def test_a_file_that_is_missing(self, folder, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"lacks .*'wider_face_val.mat'"):
            WIDERFaceMetric(ground_truth=str(tmp_path))

    def test_a_list_that_names_no_face(self, tmp_path):
        events = {'e': {'image': [(0, 0, 5, 5)]}}
        kept = {level: {'image': [2]} for level in KEPT}
        write_wider_face_truth(tmp_path, events, kept)
        with pytest.raises(ValueError, match='image: a list names face 2 of 1'):
            WIDERFaceMetric(ground_truth=str(tmp_path))

    def test_an_image_that_the_benchmark_does_not_have(self, folder):
        with pytest.raises(ValueError, match='portrait is not among the images'):
            evaluate([sample('e', 'portrait', [])], ground_truth=str(folder))

    def test_no_class_called_face(self):
        with pytest.raises(ValueError, match=r"needs a class 'face', got classes=\('Face',\)"):
            WIDERFaceMetric().dataset_meta = dict(classes=('Face',))  # as the loop does at start

    def test_an_overlap_out_of_range(self):
        with pytest.raises(ValueError, match=r'min_overlap must lie in \(0, 1\], got 50'):
            WIDERFaceMetric(min_overlap=50)
