"""Where preflight looks for data, and where it does not."""

import re

import pytest
from mmengine.config import Config

from mmkd.engine.checks.preflight import check_data, check_training, checkpoint_of, teacher_settings
from mmkd.testing import tiny_retinanet_cfg, tiny_run_cfg, write_tiny_coco


def with_dataset(dataset: object, **kw: object) -> Config:
    return Config(dict(train_dataloader=dict(dataset=dataset), **kw))


def voc(root: str, **kw: object) -> dict:
    return dict(type='VOCDataset', data_root=root, **kw)


@pytest.mark.parametrize(
    'dataset, setting',
    [
        (voc('no'), 'dataset.data_root'),
        (dict(type='RepeatDataset', times=2, dataset=voc('no')), 'dataset.dataset.data_root'),
        (
            dict(type='ConcatDataset', datasets=[voc('.'), voc('no')]),
            'dataset.datasets.1.data_root',
        ),
        (voc('.', ann_file='no.txt'), 'dataset.ann_file'),
        (voc('.', data_prefix=dict(sub_data_root='no/')), 'dataset.data_prefix.sub_data_root'),
        (voc('.', data_prefix=dict(img='no/')), 'dataset.data_prefix.img'),
        (voc('', ann_file='no.txt'), 'dataset.ann_file'),
    ],
)
def test_what_is_missing_is_found_through_wrappers(dataset, setting):
    with pytest.raises(FileNotFoundError, match=rf'train_dataloader.{re.escape(setting)}: .*no'):
        check_data(with_dataset(dataset), ('train',))


@pytest.mark.parametrize(
    'dataset',
    [
        voc('.'),
        voc('s3://bucket/data', ann_file='a.txt'),
        voc('no', backend_args=dict(backend='petrel')),
        voc('.', data_prefix=dict(seg='no/')),
        voc('', ann_file=''),
    ],
)
def test_what_cannot_be_looked_up_or_may_be_absent_passes(dataset):
    check_data(with_dataset(dataset), ('train',))


def test_all_that_is_missing_is_listed_once_with_a_remedy():
    cfg = with_dataset(voc('no'))
    cfg.val_dataloader = dict(dataset=voc('no'))
    cfg.val_evaluator = [dict(type='VOCMetric'), dict(type='CocoMetric', ann_file='none.json')]
    with pytest.raises(FileNotFoundError) as error:
        check_data(cfg, ('train', 'val'))
    text = str(error.value)
    assert text.count("'no'") == 1 and 'val_evaluator.1.ann_file' in text
    assert '--cfg-options train_dataloader.dataset.data_root=PATH' in text


def test_splits_that_a_run_does_not_read_are_not_looked_up():
    cfg = with_dataset(voc('.'))
    cfg.val_dataloader = cfg.test_dataloader = dict(dataset=voc('no'))
    check_data(cfg, ('train',))


@pytest.mark.parametrize('classes', [('class0', 'class2'), ('class1', 'class2'), ('class0',)])
def test_train_and_val_name_one_list_of_classes(tmp_path, classes):
    data = write_tiny_coco(tmp_path / 'data', num_images=2)
    cfg = tiny_run_cfg(data, tmp_path, tiny_retinanet_cfg(num_classes=2), validate=True)
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    train.metainfo = dict(classes=('class0', 'class1'))
    val.metainfo = dict(classes=['class0', 'class1'])
    check_training(cfg)
    cfg.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=train)
    cfg.train_dataloader.dataset.dataset.metainfo = dict(classes=classes)
    place = r'train_dataloader\.dataset\.dataset\.metainfo\.classes'
    with pytest.raises(ValueError, match=place):
        check_training(cfg)
    cfg.val_cfg = None
    cfg.model.bbox_head.num_classes = len(classes)
    check_training(cfg)  # nothing to differ from


def test_a_run_that_works_passes(tmp_path):
    data = write_tiny_coco(tmp_path / 'data')
    check_training(tiny_run_cfg(data, tmp_path, tiny_retinanet_cfg(), validate=True))


@pytest.mark.parametrize(
    'teacher, expected',
    [
        (dict(config='a.py', checkpoint='a.pth'), 'a.pth'),
        (dict(config=dict(config='a.py', checkpoint='b.pth')), 'b.pth'),
        ('a.py', None),
        (dict(type='RetinaNet', checkpoint='not an option of ours'), None),
    ],
)
def test_the_teachers_checkpoint_is_found_in_every_form(teacher, expected):
    cfg = Config(dict(model=dict(type='mmkd.DistillDetector', student='s.py', teacher=teacher)))
    assert checkpoint_of(cfg.model.teacher) == expected
    assert list(teacher_settings(cfg)) == ['model.teacher']
    cfg.model.type = 'RetinaNet'
    assert teacher_settings(cfg) == {}
