import json

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmkd.evaluation import CaltechMetric, LAMRMetric
from mmkd.evaluation.functional import FPPI_POINTS
from mmkd.registry import METRICS
from tests.references import miss_rate as reference


def write(tmp_path, images, categories=('person',)):
    """Images -> annotations without ids; returns the file."""
    names = {name: i + 1 for i, name in enumerate(categories)}
    annotations = [
        dict(id=0, image_id=image, category_id=names[entry.pop('category', 'person')], **entry)
        for image, entries in images.items()
        for entry in entries
    ]
    content = dict(
        images=[dict(id=i, file_name=f'{i}.jpg', width=640, height=480) for i in images],
        annotations=annotations,
        categories=[dict(id=i, name=name) for name, i in names.items()],
    )
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(content))
    return str(path)


def sample(image, predicted):
    """Each predicted box as (label, x, y, w, h, score)."""
    out = DetDataSample(metainfo=dict(img_id=image))
    table = torch.tensor([list(row) for row in predicted], dtype=torch.float).reshape(-1, 6)
    boxes = torch.cat([table[:, 1:3], table[:, 1:3] + table[:, 3:5]], dim=1)
    out.pred_instances = InstanceData(bboxes=boxes, labels=table[:, 0].long(), scores=table[:, 5])
    return out.to_dict()


def evaluate(samples, ann_file, classes=('person',), kind='LAMRMetric', **options):
    metric = METRICS.build(dict(type=f'mmkd.{kind}', ann_file=ann_file, **options))
    metric.dataset_meta = dict(classes=classes)
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


PERSON = dict(bbox=[100, 100, 40, 100])


def test_half_of_the_persons_found_is_a_miss_rate_of_a_half(tmp_path):
    path = write(tmp_path, {i: [dict(PERSON)] for i in range(4)})
    samples = [sample(i, [(0, 100, 100, 40, 100, 0.9)] * (i % 2)) for i in range(4)]
    assert evaluate(samples, path) == {
        'pedestrian/LAMR_reasonable': pytest.approx(0.5),
        'pedestrian/LAMR_all': pytest.approx(0.5),
    }


class TestAnnotations:
    @pytest.mark.parametrize('entry, reasonable', [
        (dict(PERSON), True),
        (dict(PERSON, iscrowd=1), False),
        (dict(PERSON, ignore=1), False),
        (dict(PERSON, label='person', iscrowd=1), True),  # ignored in training alone
        (dict(PERSON, label='people'), False),
        (dict(PERSON, vis_ratio=0.6), False),
        (dict(PERSON, vis_ratio=0.7), True),
        (dict(PERSON, vis_bbox=[100, 100, 40, 60]), False),
        (dict(PERSON, vis_bbox=[100, 100, 40, 70]), True),
        (dict(PERSON, occluded=0, vis_ratio=0.1), True),
        (dict(bbox=[100, 100, 20, 49]), False),
    ])  # fmt: skip
    def test_who_counts_as_reasonable(self, tmp_path, entry, reasonable):
        result = evaluate([sample(7, [])], write(tmp_path, {7: [entry]}), subsets=['reasonable'])
        assert result == ({'pedestrian/LAMR_reasonable': 1} if reasonable else {})

    @pytest.mark.parametrize('entry, partial', [
        (dict(PERSON, occluded=1, vis_ratio=1.0), True), (dict(PERSON, vis_ratio=1.0), False),
    ])  # fmt: skip
    def test_a_box_marked_as_occluded_is_no_unoccluded_one(self, tmp_path, entry, partial):
        path = write(tmp_path, {7: [entry]})
        result = evaluate([sample(7, [])], path, subsets=['partial', 'unoccluded'])
        assert list(result) == [f'pedestrian/LAMR_{"partial" if partial else "unoccluded"}']

    def test_other_categories_neither_count_nor_excuse(self, tmp_path):
        car = dict(bbox=[300, 100, 40, 100], category='car')
        path = write(tmp_path, {0: [dict(PERSON), car]}, ('person', 'car'))
        seen = [(0, 100, 100, 40, 100, 0.9), (1, 300, 100, 40, 100, 0.9)]
        assert evaluate([sample(0, seen)], path, ('person', 'car'))['pedestrian/LAMR_all'] < 1e-9
        seen[1] = (0, *seen[1][1:])  # a person seen on the car: one false positive in one image
        wrong = evaluate([sample(0, seen)], path, ('person', 'car'))
        assert wrong['pedestrian/LAMR_all'] < 1e-9  # below the hit, which no rate forbids
        seen[0] = (*seen[0][:5], 0.1)
        wrong = evaluate([sample(0, seen)], path, ('person', 'car'))
        assert wrong['pedestrian/LAMR_all'] > 0.01


class TestCaltech:
    def test_bounds_are_the_benchmarks_from_zero(self, tmp_path):
        for x, counts in [(4, True), (3.9, False)]:
            path = write(tmp_path, {0: [dict(bbox=[x, 100, 40, 100])]})
            assert bool(evaluate([sample(0, [])], path, kind='CaltechMetric')) == counts

    def test_widths_do_not_matter(self, tmp_path):
        path = write(tmp_path, {0: [dict(PERSON)]})
        seen = [sample(0, [(0, 115, 100, 10, 100, 0.9)])]
        result = evaluate(seen, path, kind='CaltechMetric')
        assert result['caltech/LAMR_reasonable'] < 1e-9
        assert evaluate(seen, path)['pedestrian/LAMR_reasonable'] == 1

    def test_equal_to_the_reference_through_the_metric(self, tmp_path):
        rng = np.random.default_rng(1)
        truths, samples, images = {}, [], []
        for image in range(60):
            entries, objects, rows = [], [], []
            for _ in range(rng.integers(0, 4)):
                box = [float(v) for v in (*rng.integers(0, 500, 2), *rng.integers(20, 90, 2))]
                share = float(rng.choice([0.3, 0.7, 1.0]))
                label = str(rng.choice(['person', 'person', 'people']))
                occluded = int(share < 1)
                entries.append(dict(bbox=box, label=label, occluded=occluded, vis_ratio=share))
                visible = (box[0], box[1], box[2] * share, box[3])
                objects.append(dict(box=box, label=label, occluded=occluded, visible=visible))
                if rng.random() < 0.7:
                    moved = np.float32(np.array(box) + rng.integers(-3, 3, 4))
                    rows.append((0, *moved.tolist(), float(np.float32(rng.random()))))
            if rng.random() < 0.3:
                rows.append((0, *rng.integers(0, 300, 2).tolist(), 30, 70, float(rng.random())))
            truths[image] = entries
            samples.append(sample(image, rows))
            predicted = samples[-1]['pred_instances']
            corners = predicted['bboxes'].double().numpy()
            images.append((objects, [
                dict(box=(*c[:2], *(c[2:] - c[:2])), score=float(s))
                for c, s in zip(corners, predicted['scores'].double().numpy())
            ]))  # fmt: skip
        result = evaluate(samples, write(tmp_path, truths), kind='CaltechMetric')
        for name, heights, shares in [('reasonable', (50, np.inf), (0.65, np.inf)),
                                      ('all', (20, np.inf), (0.2, np.inf))]:  # fmt: skip
            expected, _ = reference.log_average_miss_rate(
                images, heights, shares, (4, 4, 634, 474), 0.41)  # fmt: skip
            assert 0.05 < expected < 0.95
            assert result[f'caltech/LAMR_{name}'] == pytest.approx(expected, abs=1e-6)


class TestRefusals:
    @pytest.mark.parametrize('options, complaint', [
        (dict(subsets=['tall']), r"subsets has \['tall'\]: the benchmark has \['reasonable'"),
        (dict(subsets='all'), "subsets must be a list of names, got the string 'all'"),
        (dict(subsets=[]), 'subsets is empty'),
        (dict(subsets=dict(mine=(50, 100))), r"subsets\['mine'\] must be .* got \(50, 100\)"),
        (dict(min_overlap=0), 'min_overlap must lie in .* got 0'),
        (dict(expand=0.8), 'expand must be >= 1, got 0.8'),
        (dict(aspect_ratio=0), 'aspect_ratio must be > 0, got 0'),
        (dict(bounds=(1, 2)), r'bounds must be four numbers .* got \(1, 2\)'),
        (dict(subsets=dict(mine='tall')), r"subsets\['mine'\] must be .* got 'tall'"),
        (dict(category='rider'), r"no category 'rider': it has \['person'\]"),
    ])  # fmt: skip
    def test_options(self, tmp_path, options, complaint):
        with pytest.raises(ValueError, match=complaint):
            LAMRMetric(ann_file=write(tmp_path, {}), **options)

    def test_a_file_that_is_missing(self):
        with pytest.raises(FileNotFoundError, match='absent.json.* does not exist'):
            CaltechMetric(ann_file='absent.json')

    def test_a_file_that_is_damaged(self, tmp_path):
        (tmp_path / 'truth.json').write_text('{')
        with pytest.raises(ValueError, match='is not valid JSON'):
            CaltechMetric(ann_file=str(tmp_path / 'truth.json'))

    @pytest.mark.parametrize('text', ['[]', '{"images": [], "annotations": []}'])
    def test_a_file_that_is_none_of_coco(self, tmp_path, text):
        (tmp_path / 'truth.json').write_text(text)
        with pytest.raises(ValueError, match='truth.json.* is not a COCO file: see'):
            CaltechMetric(ann_file=str(tmp_path / 'truth.json'))

    def test_an_annotation_of_no_image(self, tmp_path):
        path = write(tmp_path, {0: [dict(PERSON)]})
        content = json.loads(open(path).read())
        content['annotations'][0]['image_id'] = 7
        (tmp_path / 'truth.json').write_text(json.dumps(content))
        with pytest.raises(ValueError, match='annotation 0 is of image 7'):
            LAMRMetric(ann_file=path)

    def test_an_image_that_the_file_lacks(self, tmp_path):
        with pytest.raises(ValueError, match='has no image 8: the metric and the data set must'):
            evaluate([sample(8, [])], write(tmp_path, {7: []}))

    def test_a_category_that_is_no_class(self, tmp_path):
        with pytest.raises(ValueError, match=r"category='person' is not among classes=\('car',\)"):
            evaluate([sample(7, [])], write(tmp_path, {7: []}), ('car',))


def test_a_subset_of_ones_own(tmp_path):
    path = write(tmp_path, {0: [dict(PERSON), dict(bbox=[300, 100, 40, 30])]})
    result = evaluate([sample(0, [(0, 100, 100, 40, 100, 0.9)])], path,
                      subsets=dict(small=(20, 40, 0, float('inf'))))  # fmt: skip
    assert result == {'pedestrian/LAMR_small': 1} and len(FPPI_POINTS) == 9
