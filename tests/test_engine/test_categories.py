"""Classes of a config that a COCO file lacks, or has in another order, are refused at start."""

import json

import pytest
from mmengine.config import Config

from mmkd.engine.categories import category_names
from mmkd.engine.preflight import check_data

NAMES = ('cat', 'dog', 'cow')


def write(path, *, last=True, extra=None):
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(NAMES)]
    content = dict(images=[], annotations=[], **(extra or {}))
    own = dict(categories=categories)
    content = {**content, **own} if last else {**own, **content}
    path.write_text(json.dumps(content))
    return path


def check(path, classes, wrapper=lambda dataset: dataset, **kw):
    dataset = dict(
        type='CocoDataset', ann_file=str(path), metainfo=dict(classes=classes), **kw
    )
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
    assert "label 0, called 'dog', would be 'cat'. Set classes=('cat', 'dog')." in str(error.value)


def test_names_in_a_file_are_not_compared(tmp_path):
    check(write(tmp_path / 'a.json'), 'names.txt')


@pytest.mark.parametrize('text', [
    '{"categories": [', '', '[]', '{"images": []}', '{"categories": [{"id": 1}]}',
])  # fmt: skip
def test_a_file_without_categories_is_refused_before_it_is_loaded(tmp_path, text):
    (tmp_path / 'broken.json').write_text(text)
    with pytest.raises(ValueError, match=r'dataset\.ann_file: .*broken\.json has no list of categ'):
        check(tmp_path / 'broken.json', ('x',))


@pytest.mark.parametrize('last', [True, False])
@pytest.mark.parametrize('extra', [None, dict(info={'categories': [1]}), dict(info='x' * 200_000)])
def test_the_list_is_found_wherever_it_stands(tmp_path, last, extra):
    path = write(tmp_path / 'a.json', last=last, extra=extra)
    assert category_names(path) == list(NAMES)
