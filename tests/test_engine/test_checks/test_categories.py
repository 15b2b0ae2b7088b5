"""Classes of a config that a COCO file lacks, or has in another order, are refused at start."""

import json

import pytest
from mmengine.config import Config

from mmkd.datasets.lint import check_splits, splits_of_path
from mmkd.datasets.lint.coco import category_names
from mmkd.engine.checks.preflight import check_data
from mmkd.testing import write_tiny_coco

NAMES = ('cat', 'dog', 'cow')


def write(path, *, last=True, extra=None):
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(NAMES)]
    content = dict(images=[], annotations=[], **(extra or {}))
    own = dict(categories=categories)
    content = {**content, **own} if last else {**own, **content}
    path.write_text(json.dumps(content))
    return path


def check(path, classes, wrapper=lambda dataset: dataset, **kw):
    dataset = dict(type='CocoDataset', ann_file=str(path), metainfo=dict(classes=classes), **kw)
    check_data(Config(dict(train_dataloader=dict(dataset=wrapper(dataset)))), ('train',))


@pytest.mark.parametrize('classes', [NAMES, list(NAMES), ('cat', 'cow'), ('dog',)])
def test_classes_in_the_order_of_the_file_pass_and_others_are_left_out(tmp_path, classes):
    check(write(tmp_path / 'a.json'), classes)


def test_a_class_that_the_file_lacks_is_refused_with_the_nearest(tmp_path):
    path = write(tmp_path / 'a.json')
    with pytest.raises(ValueError) as error:
        check(path, ('cat', 'dgo', 'cow'), lambda d: dict(type='RepeatDataset', times=2, dataset=d))
    text = str(error.value)
    assert text.startswith("train_dataloader.dataset.dataset.metainfo.classes has ['dgo'], no cat")
    assert str(path) in text and "Did you mean 'dog'?" in text


def test_another_order_is_refused_with_the_right_one(tmp_path):
    with pytest.raises(ValueError) as error:
        check(write(tmp_path / 'a.json'), ('dog', 'cat'))
    assert "label 0, called 'dog', would be 'cat': set classes=('cat', 'dog')." in str(error.value)


def test_names_in_a_file_are_not_compared(tmp_path):
    (tmp_path / 'names.txt').write_text('dgo')
    check(write(tmp_path / 'a.json'), str(tmp_path / 'names.txt'))


class TestACategoryNamedTwice:
    """A root category without boxes that has the name of its only class, as Roboflow writes it."""

    @pytest.fixture
    def path(self, tmp_path):
        names = ('cat', 'cat', 'dog')
        categories = [dict(id=i, name=name) for i, name in enumerate(names)]
        path = tmp_path / 'a.json'
        path.write_text(json.dumps(dict(images=[], annotations=[], categories=categories)))
        return path

    MESSAGE = (
        r"\.ann_file=.*a\.json: categories\[0\] and categories\[1\] are both called 'cat', and "
        '.*: rename or remove the one without boxes'
    )

    @pytest.mark.parametrize('classes', [('cat',), ('cat', 'dog'), ('dog', 'cat')])
    @pytest.mark.parametrize('wrap', [
        lambda d: d, lambda d: dict(type='RepeatDataset', times=2, dataset=d),
        lambda d: dict(type='ConcatDataset', datasets=[d]),
        lambda d: dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=d),
    ])  # fmt: skip
    def test_is_refused_in_every_data_set(self, path, classes, wrap):
        with pytest.raises(ValueError, match=self.MESSAGE):
            check(path, classes, wrap)

    @pytest.mark.parametrize('metric', [
        dict(type='CocoMetric'), dict(type='mmkd.CocoMetric'),
        dict(type='mmkd.LAMRMetric', category='cat'),
    ])  # fmt: skip
    @pytest.mark.parametrize('wrap', [
        lambda m: m, lambda m: [dict(type='DumpProposals', output_dir='.'), m],
        lambda m: dict(type='Evaluator', metrics=[m]),
    ])  # fmt: skip
    @pytest.mark.parametrize('split', ['val', 'test'])
    def test_is_refused_in_a_metric(self, path, tmp_path, metric, wrap, split):
        with pytest.raises(ValueError, match=self.MESSAGE):
            check_metric(wrap(dict(metric, ann_file=str(path))), tmp_path, ('cat',), split)

    def test_is_a_finding_of_the_linter(self, tmp_path):
        path = write_tiny_coco(tmp_path) / 'annotations.json'
        content = json.loads(path.read_text())
        content['categories'].append(dict(id=7, name='class0'))
        path.write_text(json.dumps(content))
        report = check_splits(splits_of_path(str(path), images=str(tmp_path / 'images')))
        ((kind, detail),) = [(one.kind, one.detail) for one in report.findings]
        assert kind == 'class-order' and detail.startswith('categories[3] (id 7) is called')
        assert detail.endswith("'class0', as categories[0] (id 0) is: rename or remove the one "
                               'without boxes')  # fmt: skip

    def test_that_is_no_class_passes(self, path):
        check(path, ('dog',))


def check_metric(evaluator, folder, classes, split='val'):
    """A data set whose own file is right."""
    categories = [dict(id=i, name=name) for i, name in enumerate(classes)]
    (folder / 'own.json').write_text(json.dumps(dict(images=[], categories=categories)))
    dataset = dict(
        type='CocoDataset', ann_file=str(folder / 'own.json'), metainfo=dict(classes=classes)
    )
    loader = dict(dataset=dataset)
    check_data(Config({f'{split}_dataloader': loader, f'{split}_evaluator': evaluator}), (split,))


@pytest.mark.parametrize('classes, text', [
    (('dog', 'cat'), r"classes has another order than .*a\.json, by which labels are num"),
    (('cat', 'dgo'), r"val_dataloader\.dataset\.metainfo\.classes has \['dgo'\], no categories of"),
])  # fmt: skip
def test_a_metric_has_the_classes_of_the_data(tmp_path, classes, text):
    path = write(tmp_path / 'a.json')
    with pytest.raises(ValueError, match=text):
        check_metric(dict(type='CocoMetric', ann_file=str(path)), tmp_path, classes)
    check_metric(dict(type='CocoMetric', ann_file=str(path)), tmp_path, ('cat', 'cow'))


@pytest.mark.parametrize('text', [
    '{"categories": [', '', '[]', '{"images": []}', '{"categories": [{"id": 1}]}',
])  # fmt: skip
def test_a_file_without_categories_is_refused_before_it_is_loaded(tmp_path, text):
    (tmp_path / 'broken.json').write_text(text)
    with pytest.raises(ValueError, match=r'broken\.json is not '):
        check(tmp_path / 'broken.json', ('x',))


@pytest.mark.parametrize('last', [True, False])
@pytest.mark.parametrize('extra', [None, dict(info={'categories': [1]}), dict(info='x' * 200_000)])
def test_the_list_is_found_wherever_it_stands(tmp_path, last, extra):
    path = write(tmp_path / 'a.json', last=last, extra=extra)
    assert category_names(path) == NAMES
