import contextlib
import importlib.util
import io
import json
import logging

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric as MMDetCocoMetric
from mmengine.logging import MMLogger
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmkd.evaluation import BACKENDS, CocoMetric, coco_curves
from mmkd.registry import METRICS
from mmkd.testing.voc_folders import shared_data

CLASSES = ('cat', 'dog', 'cow')
IDS = (7, 3, 5)  # the order of the classes is not that of the ids

TWELVE = ['mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l',
          'AR_1', 'AR_10', 'AR_100', 'AR_s', 'AR_m', 'AR_l']  # fmt: skip

backends = pytest.mark.parametrize('backend', [
    pytest.param(name, marks=pytest.mark.skipif(
        importlib.util.find_spec(name) is None, reason=f'{name} is not installed'))
    for name in BACKENDS
])  # fmt: skip


def random_dataset(seed=0, images=12):
    """Truth of all sizes with a crowd here and there, and images without any."""
    rng = np.random.default_rng(seed)
    annotations = []
    for image in range(1, images):
        for _ in range(rng.integers(0, 6)):
            corner = rng.uniform(0, 200, 2)
            side = rng.choice([20, 60, 150]) * rng.uniform(1, 1.4, 2)
            annotations.append(dict(
                id=len(annotations) + 1, image_id=image, category_id=int(rng.choice(IDS)),
                bbox=[*corner.tolist(), *side.tolist()], area=float(side.prod()),
                iscrowd=int(rng.random() < 0.1),
            ))  # fmt: skip
    return dict(
        images=[dict(id=i, width=400, height=400, file_name=f'{i}.jpg') for i in range(images)],
        annotations=annotations,
        categories=[dict(id=i, name=n) for i, n in zip(IDS, CLASSES)],
    )


def random_predictions(dataset, seed=1):
    """Boxes near the truth, some of the wrong class, and boxes anywhere."""
    rng = np.random.default_rng(seed)
    samples = []
    for image in dataset['images']:
        rows = []
        for one in (a for a in dataset['annotations'] if a['image_id'] == image['id']):
            for _ in range(rng.integers(0, 4)):
                moved = np.array(one['bbox']) * rng.uniform(0.85, 1.15, 4)
                label = IDS.index(one['category_id']) if rng.random() < 0.8 else rng.integers(0, 3)
                rows.append([*moved[:2], *(moved[:2] + moved[2:]), rng.random(), label])
        corner = rng.uniform(0, 200, 2)
        rows.append([*corner, *(corner + 60), rng.random(), rng.integers(0, 3)])
        samples.append(sample(image['id'], rows))
    return samples


def sample(img_id, rows):
    table = torch.tensor(np.array(rows, dtype=np.float64).reshape(-1, 6), dtype=torch.float)
    predicted = dict(bboxes=table[:, :4], scores=table[:, 4], labels=table[:, 5].long())
    return dict(img_id=img_id, ori_shape=(400, 400), pred_instances=predicted)


@pytest.fixture
def dataset():
    return random_dataset()


def evaluate(dataset, samples, tmp_path, kind=CocoMetric, classes=CLASSES, **options):
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(dataset))
    with contextlib.redirect_stdout(io.StringIO()):
        built = kind(ann_file=str(path), **options)
        built.dataset_meta = dict(classes=classes)
        built.process({}, samples)
        result = built.evaluate(len(samples))
    return {key.removeprefix('coco/'): value for key, value in result.items()}


def twelve_by_pycocotools(dataset, samples):
    """Its own summary of its own evaluation."""
    found = []
    for one in samples:
        predicted = one['pred_instances']
        columns = (predicted[key].tolist() for key in ('bboxes', 'scores', 'labels'))
        for (x1, y1, x2, y2), score, label in zip(*columns):
            found.append(dict(
                image_id=one['img_id'], category_id=IDS[label], bbox=[x1, y1, x2 - x1, y2 - y1],
                score=score,
            ))  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(dataset))
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), 'bbox')
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    return evaluation.stats


class TestTwelveNumbers:
    @backends
    @pytest.mark.parametrize('seed', range(3))
    def test_equal_to_the_summary_of_pycocotools(self, backend, seed, tmp_path):
        dataset = random_dataset(seed)
        samples = random_predictions(dataset, seed + 10)
        expected = twelve_by_pycocotools(dataset, samples)
        assert len({round(v, 5) for v in expected}) > 8  # the scene tells the numbers apart
        result = evaluate(dataset, samples, tmp_path, backend=backend)
        got = [result[f'bbox_{name}'] for name in TWELVE]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)

    def test_equal_to_mmdetection_but_for_its_rounding(self, dataset, tmp_path):
        samples = random_predictions(dataset)
        host = evaluate(dataset, samples, tmp_path, MMDetCocoMetric)
        ours = evaluate(dataset, samples, tmp_path)
        assert {key: round(ours[key], 3) for key in host} == host

    @backends
    def test_the_truth_may_come_from_the_samples(self, dataset, tmp_path, backend):
        samples = random_predictions(dataset)
        for one in samples:
            one['instances'] = [
                dict(bbox=[a['bbox'][0], a['bbox'][1], a['bbox'][0] + a['bbox'][2],
                           a['bbox'][1] + a['bbox'][3]],
                     bbox_label=IDS.index(a['category_id']), ignore_flag=a['iscrowd'])
                for a in dataset['annotations'] if a['image_id'] == one['img_id']
            ]  # fmt: skip
        metric = CocoMetric(backend=backend)
        metric.dataset_meta = dict(classes=CLASSES)
        with contextlib.redirect_stdout(io.StringIO()):
            metric.process({}, samples)
            result = metric.evaluate(len(samples))
        expected = evaluate(dataset, samples, tmp_path)
        assert result['coco/bbox_mAP'] == pytest.approx(expected['bbox_mAP'], abs=1e-6)

    @backends
    def test_nothing_detected_is_zero_not_an_error(self, dataset, tmp_path, backend):
        result = evaluate(dataset, [sample(i['id'], []) for i in dataset['images']], tmp_path,
                          backend=backend)  # fmt: skip
        assert [result[f'bbox_{name}'] for name in TWELVE] == [0.0] * 12


class TestClasses:
    @backends
    def test_each_class_has_the_ap_that_it_has_alone(self, dataset, tmp_path, backend, caplog):
        samples = random_predictions(dataset)
        result = evaluate(dataset, samples, tmp_path, backend=backend, classwise=True)
        for label, name in enumerate(CLASSES):
            alone = [dict(s, pred_instances={
                key: value[s['pred_instances']['labels'] == label]
                for key, value in s['pred_instances'].items()}) for s in samples]  # fmt: skip
            for one in alone:
                one['pred_instances']['labels'] = torch.zeros_like(one['pred_instances']['labels'])
            expected = evaluate(dataset, alone, tmp_path, classes=(name,))['bbox_mAP']
            assert result[f'{name}_precision'] == pytest.approx(expected, abs=1e-6)
        mean = np.mean([result[f'{name}_precision'] for name in CLASSES])
        assert result['bbox_mAP'] == pytest.approx(mean, abs=1e-6)

    def test_a_table_is_logged(self, dataset, tmp_path, monkeypatch):
        lines = []
        monkeypatch.setattr(logging.Logger, 'info', lambda self, text, *a, **k: lines.append(text))
        evaluate(dataset, random_predictions(dataset), tmp_path, classwise=True)
        table = next(line for line in lines if 'category' in line)
        assert all(name in table for name in (*CLASSES, 'mAP_50', 'mAP_l'))


class TestProposals:
    @backends
    def test_recall_of_proposals_equals_mmdetection(self, dataset, tmp_path, backend):
        samples = random_predictions(dataset)
        options = dict(metric='proposal', proposal_nums=(1, 3, 10))
        # MMDetection names its columns by their place: 100, 300, 1000.
        host = evaluate(dataset, samples, tmp_path, MMDetCocoMetric, **options)
        ours = evaluate(dataset, samples, tmp_path, backend=backend, **options)
        assert list(ours) == ['AR@1', 'AR@3', 'AR@10', 'AR_s@10', 'AR_m@10', 'AR_l@10']
        np.testing.assert_allclose(list(ours.values()), list(host.values()), atol=5e-4)

    def test_the_fast_way_takes_the_best_scored_of_each_image(self, dataset, tmp_path):
        truth = [a for a in dataset['annotations'] if not a['iscrowd']]
        samples = []
        for image in dataset['images']:
            boxes = [a['bbox'] for a in truth if a['image_id'] == image['id']]
            rows = [[x, y, x + w, y + h, 0.9 - 0.1 * i, 0] for i, (x, y, w, h) in enumerate(boxes)]
            samples.append(sample(image['id'], [[0, 0, 1, 1, 0.1, 0], *reversed(rows)]))
        options = dict(metric='proposal_fast', proposal_nums=(1, 2, 99), iou_thrs=[0.99])
        result = evaluate(dataset, samples[::-1], tmp_path, **options)
        per_image = [sum(a['image_id'] == i['id'] for a in truth) for i in dataset['images']]
        expected = [sum(min(n, limit) for n in per_image) / len(truth) for limit in (1, 2, 99)]
        assert list(result.values()) == pytest.approx(expected)


BOXES = [[5, 6, 20, 30], [8, 4, 40, 50], [50, 40, 60, 70], [3, 3, 10, 12]]


def four_images():
    """One box each, the classes in turn."""
    return dict(
        images=[dict(id=i, width=400, height=400, file_name=f'{i}.jpg') for i in range(1, 5)],
        annotations=[
            dict(
                id=i, image_id=i, category_id=IDS[i % 3], bbox=box, area=box[2] * box[3], iscrowd=0
            )  # fmt: skip
            for i, box in enumerate(BOXES, start=1)
        ],
        categories=[dict(id=i, name=n) for i, n in zip(IDS, CLASSES)],
    )


def renamed(kind, change):
    """A change of every id of a kind, where it is given and where it is referred to."""

    def apply(dataset):
        for one in dataset[kind]:
            one['id'] = change(one['id'])
        key = dict(images='image_id', categories='category_id').get(kind)
        for one in dataset['annotations'] if key else ():
            one[key] = change(one[key])

    return apply


def each(**changed):
    """A change of some keys of every annotation; 'absent' takes the key out."""

    def apply(dataset):
        for one in dataset['annotations']:
            one.update(changed)
            for key in [key for key, value in changed.items() if value == 'absent']:
                del one[key]

    return apply


def add(**annotation):
    def apply(dataset):
        whole = dict(id=99, image_id=1, category_id=7, bbox=[1, 1, 9, 9], area=81, iscrowd=0)
        whole.update(annotation)
        entry = {key: value for key, value in whole.items() if value != 'absent'}
        dataset['annotations'].append(entry)

    return apply


class TestPerfectDetections:
    """The boxes that MMDetection's data set reads, fed back, are everything there is to find."""

    def perfect(self, truth, tmp_path, metric='bbox', **options):
        path = tmp_path / 'truth.json'
        path.write_text(json.dumps(truth))
        readable = json.loads(path.read_text())
        for one in readable['annotations']:  # CocoDataset reads no annotation without
            one.setdefault('area', one['bbox'][2] * one['bbox'][3])
        (tmp_path / 'readable.json').write_text(json.dumps(readable))
        with contextlib.redirect_stdout(io.StringIO()):
            data = CocoDataset(
                ann_file=str(tmp_path / 'readable.json'), data_prefix=dict(img=''), pipeline=[],
                metainfo=dict(classes=CLASSES), **{'serialize_data': False, **options},
            )  # fmt: skip
        samples = [self.sample(data.get_data_info(i)) for i in range(len(data))]
        for backend in filter(importlib.util.find_spec, BACKENDS):
            result = evaluate(truth, samples, tmp_path, backend=backend, metric=metric)
            name = 'bbox_mAP' if metric == 'bbox' else 'AR@1000'
            assert result[name] == pytest.approx(1), backend
        return len(samples)

    def sample(self, info):
        rows = [[*one['bbox'], 0.9, one['bbox_label']] for one in info['instances']]
        return sample(info['img_id'], rows)

    @pytest.mark.parametrize('change', [
        renamed('annotations', lambda i: i - 1),
        renamed('annotations', lambda i: -i),
        renamed('annotations', lambda i: i * 10**12),
        renamed('annotations', str),
        renamed('annotations', lambda i: f'box {i}'),
        renamed('images', lambda i: i - 1),
        renamed('images', lambda i: f'image {i}'),
        renamed('images', lambda i: i if i % 2 else str(i)),
        renamed('images', float),
        renamed('categories', lambda i: i - 3),
        renamed('categories', lambda i: f'category {i}'),
        renamed('categories', lambda i: i if i % 3 else str(i)),
        each(iscrowd='absent'), each(iscrowd=None), each(iscrowd=False), each(area='absent'),
        each(iscrowd='absent', area='absent'), each(ignore=0), each(ignore=None),
        add(iscrowd=1), add(iscrowd=True), add(ignore=1), add(ignore=True, iscrowd='absent'),
        add(bbox=[5, 5, 0, 9]), add(bbox=[5, 5, -3, -3]), add(bbox=[500, 5, 9, 9]),
        add(bbox=[-20, 5, 9, 9]), add(image_id=77), add(category_id=77),
    ])  # fmt: skip
    def test_score_one_whatever_the_file_calls_things(self, tmp_path, change):
        truth = four_images()
        change(truth)
        assert self.perfect(truth, tmp_path) == 4

    @pytest.mark.parametrize('metric', ['proposal', 'proposal_fast'])
    def test_so_they_do_as_proposals(self, tmp_path, metric):
        truth = four_images()
        for change in (
            renamed('annotations', lambda i: i - 1), renamed('images', str), each(iscrowd='absent'),
            add(ignore=1), add(bbox=[5, 5, 0, 9]), add(category_id=77),
        ):  # fmt: skip
            change(truth)
        assert self.perfect(truth, tmp_path, metric, indices=3) == 3

    @pytest.mark.parametrize('options, count', [
        (dict(indices=2), 2), (dict(indices=[3, 1]), 2), (dict(serialize_data=True), 4),
        (dict(filter_cfg=dict(min_size=410)), 1), (dict(filter_cfg=dict(filter_empty_gt=True)), 3),
        (dict(filter_cfg=dict(filter_empty_gt=True), test_mode=True), 4),
    ])  # fmt: skip
    def test_score_one_where_a_part_of_the_file_is_read(self, tmp_path, options, count):
        truth = four_images()
        truth['images'][0].update(width=420, height=420)
        if 'filter_cfg' in options and 'filter_empty_gt' in options['filter_cfg']:
            truth['annotations'].pop()
        assert self.perfect(truth, tmp_path, **options) == count

    def test_an_image_seen_twice_counts_once(self, tmp_path):
        truth = four_images()
        samples = [
            sample(one['image_id'], [[x, y, x + w, y + h, 0.9, IDS.index(one['category_id'])]])
            for one in truth['annotations']
            for x, y, w, h in [one['bbox']]
        ]
        result = evaluate(truth, samples * 2, tmp_path)
        assert result['bbox_mAP'] == pytest.approx(1)

    def test_the_log_says_how_many_images_count(self, tmp_path, caplog):
        logger = MMLogger.get_current_instance()  # a runner of another test may have left its own
        logger.setLevel('INFO')
        logger.addHandler(caplog.handler)
        try:
            self.perfect(four_images(), tmp_path, indices=3)
        finally:
            logger.removeHandler(caplog.handler)
        assert '3 of the 4 images of ann_file are evaluated' in caplog.text

    def test_an_image_of_another_file_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"no image of id 'a'.*\(ids like 1\): give the"):
            evaluate(four_images(), [sample('a', [])], tmp_path)

    @pytest.mark.skipif(importlib.util.find_spec('faster_coco_eval') is None, reason='not there')
    @pytest.mark.parametrize('change', [
        renamed('annotations', lambda i: f'box {i}'), renamed('images', str),
        each(iscrowd='absent', area='absent'), add(ignore=1), add(bbox=[5, 5, 0, 9]),
    ])  # fmt: skip
    def test_the_backends_agree_on_imperfect_ones(self, tmp_path, change):
        truth = random_dataset(3)
        change(truth)
        samples = random_predictions(truth)
        one, other = (evaluate(truth, samples, tmp_path, backend=name) for name in BACKENDS)
        assert 0 < one['bbox_mAP'] < 1
        assert one == pytest.approx(other, abs=1e-9)


class TestOptions:
    def test_format_only_writes_the_file(self, dataset, tmp_path):
        samples = random_predictions(dataset)
        options = dict(format_only=True, outfile_prefix=str(tmp_path / 'out'))
        assert evaluate(dataset, samples, tmp_path, **options) == {}
        count = sum(len(s['pred_instances']['scores']) for s in samples)
        assert len(json.loads((tmp_path / 'out.bbox.json').read_text())) == count

    @pytest.mark.parametrize('option, match', [
        (dict(backend='numpy'), "backend must be one of .*got 'numpy'"),
        (dict(metric='segm'), "metric must be of .*'segm'; for masks"),
        (dict(max_dets=(1, 10)), 'max_dets must be three ascending'),
        (dict(metric_items=['mAP']), 'metric_items is not supported'),
        (dict(use_mp_eval=True), 'use_mp_eval is not supported'),
        (dict(iou_thrs=[0.5, '0.6']), "iou_thrs must be a number in .*'0.6': write it without"),
        (dict(proposal_nums=(100, 10)), 'proposal_nums must be ascending numbers, got'),
        (dict(proposal_nums=None), 'proposal_nums must be ascending numbers, got None'),
        (dict(classwise='False'), "classwise must be True or False, got 'False'"),
        (dict(format_only=True), 'set outfile_prefix to its path'),
    ])  # fmt: skip
    def test_a_wrong_option_is_refused_by_name(self, option, match):
        with pytest.raises(ValueError, match=match):
            CocoMetric(**option)

    def test_a_class_that_is_no_category_is_refused_before_training(self, tmp_path):
        path = tmp_path / 'truth.json'
        categories = [dict(id=1, name='cat'), dict(id=2, name='dog'), dict(id=3, name='dog')]
        truth = dict(images=[], annotations=[], categories=categories)
        path.write_text(json.dumps(truth))
        metric = CocoMetric(ann_file=str(path))
        with pytest.raises(ValueError, match="are both called 'dog', and .*: rename or"):
            metric.dataset_meta = dict(classes=('cat', 'dog'))
        with pytest.raises(ValueError, match=r"metainfo\.classes has \['cta'\], no categ"):
            metric.dataset_meta = dict(classes=('cta',))  # as the validation loop sets it
        metric.dataset_meta = dict(classes=('cat',))
        assert metric.dataset_meta == dict(classes=('cat',))

    def test_a_missing_backend_names_the_remedy(self, monkeypatch):
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
        with pytest.raises(ImportError, match='pip install faster-coco-eval'):
            CocoMetric(backend='faster_coco_eval')

    def test_the_registry_builds_ours_under_our_scope(self):
        assert type(METRICS.build(dict(type='mmkd.CocoMetric'))) is CocoMetric


@backends
class TestTinyCoco:
    """Fifty real images, end to end from the annotation file."""

    @pytest.fixture
    def truth(self):
        path = shared_data('tiny_coco') / 'annotations/instances_val2017.json'
        return json.loads(path.read_text())

    def curves(self, truth, backend, change=lambda box, category: (box, category)):
        found = []
        for one in truth['annotations']:
            if one['iscrowd']:
                continue
            box, category = change(one['bbox'], one['category_id'])
            found.append(dict(image_id=one['image_id'], category_id=category, bbox=box, score=0.9))
        return coco_curves(
            truth, found, backend=backend, cat_ids=[c['id'] for c in truth['categories']],
            img_ids=[i['id'] for i in truth['images']], iou_thrs=np.linspace(0.5, 0.95, 10),
            max_dets=(1, 10, 100),
        )  # fmt: skip

    def test_perfect(self, truth, backend):
        curves = self.curves(truth, backend)
        areas = [curves.ap(area=area) for area in ('all', 's', 'm', 'l')]
        assert areas == pytest.approx([1, 1, 1, 1]) and curves.ar(100) == pytest.approx(1)

    def test_empty(self, truth, backend):
        without = dict(truth, annotations=[dict(a, iscrowd=1) for a in truth['annotations']])
        assert self.curves(without, backend).ap() == -1  # nothing to find
        curves = coco_curves(
            truth, [], backend=backend, cat_ids=[1], img_ids=[i['id'] for i in truth['images']],
            iou_thrs=[0.5], max_dets=(1, 10, 100),
        )  # fmt: skip
        assert curves.ap() == 0 and curves.ar(100) == 0

    def test_shuffled_classes(self, truth, backend):
        ids = [c['id'] for c in truth['categories']]
        following = dict(zip(ids, ids[1:] + ids[:1]))
        curves = self.curves(truth, backend, lambda box, category: (box, following[category]))
        assert curves.ap(0.5) < 0.05

    @pytest.mark.parametrize('share, passed', [(0.02, 10), (0.1, 7), (0.2, 4), (0.4, 0)])
    def test_jittered_by_a_share_of_the_width(self, truth, backend, share, passed):
        # A shift of s widths leaves IoU (1 - s) / (1 + s): 0.961, 0.818, 0.667, 0.429, so that 10,
        # 7, 4 and none of the thresholds 0.5, 0.55, ..., 0.95 are met. Neighbours of one class that
        # the shifted box meets by chance keep it from being exact.
        curves = self.curves(truth, backend, lambda box, category: (
            [box[0] + share * box[2], *box[1:]], category))  # fmt: skip
        assert curves.ap() == pytest.approx(passed / 10, abs=0.02)
