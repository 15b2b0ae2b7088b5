from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from mmkd.datasets import KITTIDataset
from mmkd.evaluation import KITTIMetric
from mmkd.registry import METRICS
from mmkd.testing.voc_folders import shared_data
from tests.references import kitti as reference

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CLASSES = ('Car', 'Pedestrian', 'Cyclist')


def instance(box, label, kind, ignored=0, truncation=0.0, occlusion=0):
    return dict(
        bbox=list(box), bbox_label=label, ignore_flag=ignored, type=kind, truncation=truncation,
        occlusion=occlusion, height=box[3] - box[1],
    )  # fmt: skip


def sample(instances, predicted):
    """Each predicted box as (label, x1, y1, x2, y2, score)."""
    out = DetDataSample(metainfo=dict(instances=instances))
    table = torch.tensor([list(row) for row in predicted], dtype=torch.float).reshape(-1, 6)
    out.pred_instances = InstanceData(
        bboxes=table[:, 1:5], labels=table[:, 0].long(), scores=table[:, 5]
    )
    return out.to_dict()


def evaluate(samples, classes=CLASSES, **options):
    metric = METRICS.build(dict(type='mmkd.KITTIMetric', **options))
    metric.dataset_meta = dict(classes=classes)
    for start in range(0, len(samples), 3):
        metric.process({}, samples[start : start + 3])
    return metric.evaluate(len(samples))


def tall(label, kind, n=50, **options):
    """n images of one box of one class, 60 pixels high."""
    box = (10.0, 20.0, 110.0, 80.0)
    return [[instance(box, label, kind, **options)] for _ in range(n)]


class TestNumbers:
    def test_perfect_detections_of_enough_boxes_score_one_everywhere(self):
        truths = [t for label, kind in enumerate(CLASSES) for t in tall(label, kind)]
        samples = [sample(t, [(t[0]['bbox_label'], *t[0]['bbox'], 0.9)]) for t in truths]
        result = evaluate(samples)
        assert len(result) == 1 + 2 * (1 + 3 + 9)
        assert set(result.values()) == {1.0}

    def test_means_are_over_classes_and_difficulties(self):
        # Cars are all found, pedestrians none; pedestrians are partly occluded: not easy.
        truths = tall(0, 'Car') + tall(1, 'Pedestrian', occlusion=1)
        samples = [sample(t, [(0, *t[0]['bbox'], 0.9)] if t[0]['bbox_label'] == 0 else [])
                   for t in truths]  # fmt: skip
        result = evaluate(samples)
        assert result['kitti/mAP_11_easy'] == 1 and 'kitti/AP_11_Pedestrian_easy' not in result
        assert result['kitti/mAP_40_moderate'] == result['kitti/mAP_40_hard'] == 0.5
        assert result['kitti/mAP'] == result['kitti/mAP_11'] == pytest.approx(3 / 5)

    def test_the_headline_follows_points(self):
        truths = tall(0, 'Car', n=10)
        samples = [sample(t, [(0, *t[0]['bbox'], 0.9)]) for t in truths]
        assert evaluate(samples)['kitti/mAP'] == pytest.approx(3 / 11)
        assert evaluate(samples, points=40)['kitti/mAP'] == pytest.approx(9 / 40)

    def test_no_box_at_all_is_zero(self):
        result = evaluate([sample([], [(0, 0, 0, 50, 50, 0.9)])])
        assert result == {'kitti/mAP': 0.0, 'kitti/mAP_11': 0.0, 'kitti/mAP_40': 0.0}

    def test_overlaps_may_be_set_by_class(self):
        truths = tall(0, 'Car')
        samples = [sample(t, [(0, 10, 20, 70, 80, 0.9)]) for t in truths]  # IoU 0.6
        assert evaluate(samples)['kitti/mAP'] == 0
        assert evaluate(samples, min_overlap=dict(Car=0.5))['kitti/mAP'] == 1


class TestRefusals:
    def test_options(self):
        with pytest.raises(ValueError, match=r'points must be one of \[11, 40\], got 101'):
            KITTIMetric(points=101)
        with pytest.raises(ValueError, match=r"points must be one of \[11, 40\], got '11'"):
            KITTIMetric(points='11')
        with pytest.raises(ValueError, match=r"min_overlap\['Car'\].*got 70"):
            KITTIMetric(min_overlap=dict(Car=70))
        with pytest.raises(ValueError, match='min_overlap must be a dict .* got 0.5'):
            KITTIMetric(min_overlap=0.5)

    def test_a_class_without_an_overlap(self):
        with pytest.raises(ValueError, match=r'min_overlap=dict\(Tram='):
            KITTIMetric().dataset_meta = dict(classes=('Tram',))  # as the validation loop does

    def test_an_overlap_of_a_class_that_is_not_there(self):
        with pytest.raises(ValueError, match=r"min_overlap has \['car'\].* Did you mean 'Car'"):
            KITTIMetric(min_overlap=dict(car=0.5)).dataset_meta = dict(classes=CLASSES)

    def test_a_pipeline_that_drops_the_annotations(self):
        bare = sample([], [])
        del bare['instances']
        with pytest.raises(ValueError, match='meta_keys'):
            evaluate([bare])

    def test_annotations_of_another_data_set(self):
        with pytest.raises(ValueError, match=r"\['truncation', 'occlusion'\]"):
            evaluate([sample([dict(bbox=[0, 0, 9, 9], bbox_label=0, ignore_flag=0)], [])])


class TestTheRealSample:
    """Its three frames, repeated 50 times so that each class that is there passes 41 boxes."""

    @pytest.fixture
    def infos(self, tmp_path):
        root = shared_data('kitti_sample')
        split = tmp_path / 'all.txt'
        split.write_text('000000\n000001\n000002\n')
        dataset = KITTIDataset(data_root=str(root), ann_file=str(split), test_mode=True)
        return [dataset.get_data_info(i) for i in range(3)]

    def detect(self, infos, change=lambda box: box, label=lambda k: k):
        return [
            sample(info['instances'], [
                (label(i['bbox_label']), *change(np.array(i['bbox'])), 0.9)
                for i in info['instances'] if not i['ignore_flag']
            ])
            for info in infos
        ] * 50  # fmt: skip

    def test_perfect(self, infos):
        # Moderate: the pedestrian of 000000 (165 px) and the car of 000002 (33 px); that of 000001
        # (21.6 px) is too low, the cyclist occluded beyond hard. Easy: the pedestrian alone.
        result = evaluate(self.detect(infos))
        assert result['kitti/mAP'] == result['kitti/mAP_40_hard'] == 1
        assert sorted(key for key in result if '_11_' in key and 'AP_11_' in key) == sorted(
            f'kitti/{key}' for key in (
                'mAP_11_easy', 'mAP_11_moderate', 'mAP_11_hard', 'AP_11_Pedestrian_easy',
                'AP_11_Pedestrian_moderate', 'AP_11_Pedestrian_hard', 'AP_11_Car_moderate',
                'AP_11_Car_hard',
            )
        )  # fmt: skip

    def test_perfect_through_the_config_and_the_evaluator(self, infos):
        # The pipeline enlarges the images; predictions and annotations are in original pixels.
        cfg = Config.fromfile(CONFIGS / '_base_/datasets/kitti.py')
        pipeline = Compose(cfg.val_dataloader.dataset.pipeline)
        evaluator = Evaluator(cfg.val_evaluator)
        evaluator.dataset_meta = dict(classes=CLASSES)
        packed = [pipeline(dict(info))['data_samples'] for info in infos]
        assert packed[0].img_shape[0] > packed[0].ori_shape[0]
        for one, info in zip(packed, infos):
            true = [i for i in info['instances'] if not i['ignore_flag']]
            one.pred_instances = InstanceData(
                bboxes=torch.tensor([i['bbox'] for i in true]),
                labels=torch.tensor([i['bbox_label'] for i in true]), scores=torch.ones(len(true)),
            )  # fmt: skip
        for _ in range(41):
            evaluator.process(packed)
        assert evaluator.evaluate(3 * 41)['kitti/mAP'] == 1

    def test_empty(self, infos):
        assert set(evaluate([sample(i['instances'], []) for i in infos]).values()) == {0.0}

    def test_shuffled_classes(self, infos):
        assert set(evaluate(self.detect(infos, label=lambda k: (k + 1) % 3)).values()) == {0.0}

    @pytest.mark.parametrize('share, car, pedestrian', [(0.1, 1, 1), (0.3, 0, 1), (0.4, 0, 0)])
    def test_jittered_by_a_share_of_the_width(self, infos, share, car, pedestrian):
        # A shift of s widths leaves IoU (1 - s) / (1 + s): 0.82, 0.54 and 0.43.
        def shift(box):
            return box + share * (box[2] - box[0]) * np.array([1, 0, 1, 0])

        result = evaluate(self.detect(infos, shift))
        assert result['kitti/AP_40_Car_hard'] == car
        assert result['kitti/AP_40_Pedestrian_hard'] == pedestrian

    def test_a_detection_in_its_dont_care_regions_costs_nothing(self, infos):
        samples = self.detect(infos)
        for one, info in zip(samples, infos * 50):
            regions = [i['bbox'] for i in info['instances'] if i['type'] == 'DontCare']
            for box in regions:
                low = torch.tensor([box])
                one['pred_instances']['bboxes'] = torch.cat([one['pred_instances']['bboxes'], low])
                one['pred_instances']['labels'] = torch.cat(
                    [one['pred_instances']['labels'], torch.tensor([1])]
                )
                one['pred_instances']['scores'] = torch.cat(
                    [one['pred_instances']['scores'], torch.tensor([0.95])]
                )
        assert evaluate(samples)['kitti/mAP'] == 1


def test_equal_to_the_reference_through_the_metric():
    rng = np.random.default_rng(3)
    samples, images = [], []
    kinds = {'Car': (0, 0), 'Pedestrian': (1, 0), 'Cyclist': (2, 0), 'Van': (0, 1)}
    for _ in range(40):
        truths, instances, rows = [], [], []
        for _ in range(4):
            kind = str(rng.choice(list(kinds)))
            corner = rng.integers(0, 300, 2)
            box = [float(v) for v in (*corner, *(corner + rng.integers(24, 90, 2)))]
            occlusion = int(rng.integers(0, 3))
            truths.append(dict(type=kind, box=box, truncation=0.0, occlusion=occlusion))
            instances.append(instance(box, *kinds[kind][:1], kind, kinds[kind][1], 0.0, occlusion))
            if rng.random() < 0.8:
                moved = (np.array(box) + rng.uniform(-3, 3, 4)).astype(np.float32)
                score = float(np.float32(rng.random()))
                rows.append((int(rng.integers(0, 3)) if rng.random() < 0.2 else kinds[kind][0],
                             *moved.tolist(), score))  # fmt: skip
        found = [dict(type=CLASSES[r[0]], box=r[1:5], score=r[5]) for r in rows]
        samples.append(sample(instances, rows))
        images.append((truths, found))
    result = evaluate(samples)
    for name in CLASSES:
        for level in ('easy', 'moderate', 'hard'):
            eleven, forty, _ = reference.average_precisions(images, name, level)
            assert result[f'kitti/AP_11_{name}_{level}'] == pytest.approx(eleven, abs=1e-6)
            assert result[f'kitti/AP_40_{name}_{level}'] == pytest.approx(forty, abs=1e-6)
