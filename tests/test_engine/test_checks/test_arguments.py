"""A mistyped name in a data set, pipeline, loader or metric is refused with its path."""

import re

import pytest
from mmdet.datasets import CocoDataset
from mmengine.config import Config

from mmkd.engine.checks.arguments import check_arguments
from mmkd.registry import DATASETS, TRANSFORMS


@DATASETS.register_module()
class OfOneClass(CocoDataset):
    """A data set of a user who left a comma out."""

    METAINFO = dict(classes=('cat'))


@DATASETS.register_module()
class TakesAnything(CocoDataset):
    """A data set of a user, which takes an argument out of the rest."""

    def __init__(self, **kwargs):
        self.own = kwargs.pop('own', None)
        super().__init__(**kwargs)


@TRANSFORMS.register_module()
def double(results: dict, factor: int = 2) -> dict:
    """A step may be a function."""
    return results


def loader(dataset: object, **kw: object) -> Config:
    return Config(dict(train_dataloader=dict(dataset=dataset, **kw)))


def coco(**kw: object) -> dict:
    return dict(type='CocoDataset', ann_file='a.json', **kw)


def steps(*pipeline: dict) -> Config:
    return loader(coco(pipeline=list(pipeline)))


FLIP = dict(type='RandomFlip', prob=0.5)
D = 'train_dataloader.dataset'


@pytest.mark.parametrize('cfg, text', [
    (loader(dict(type='CocoDataset', an_file='b.json')),
     f"{D}.an_file='b.json': CocoDataset has no argument 'an_file'. Did you mean 'ann_file'?"),
    (loader(dict(type='RepeatDataset', times=2, dataset=coco(tst_mode=True))),
     f"{D}.dataset.tst_mode=True: CocoDataset has no argument 'tst_mode'. Did you mean"),
    (loader(dict(type='RepeatDataset', time=2, dataset=coco())), f'{D}.time=2: RepeatDataset'),
    (loader(dict(type='ConcatDataset', datasets=[coco(), coco(rot='x')])),
     f"{D}.datasets.1.rot='x'"),
    (loader(dict(type='mmkd.VOCFolderDataset', bad_box='drop')),
     f"{D}.bad_box='drop': VOCFolderDataset has no argument 'bad_box'. Did you mean 'bad_boxes'?"),
    (loader(dict(type='mmkd.ILSVRCDETDataset', indces=3)), "Did you mean 'indices'?"),
    (loader(dict(type=CocoDataset, rot='x')), f"{D}.rot='x': CocoDataset"),
    (loader(dict(type='CocoDatset')),
     f"{D}.type='CocoDatset' is not registered. Did you mean 'Coco"),
    (loader(dict(type='mmkd.KITIDataset')), "Did you mean 'mmkd.KITTIDataset'?"),
    (loader(dict(ann_file='a')), f"{D} has no type: it holds ['ann_file']"),
    (loader(coco(), batchsize=2), "train_dataloader.batchsize=2: the loader has no argument"),
    (loader(coco(), sampler=dict(type='DefaultSampler', shufle=True)),
     'train_dataloader.sampler.shufle=True: DefaultSampler has'),
    (loader(coco(filter_cfg=dict(min_sz=32))),
     f"{D}.filter_cfg.min_sz=32: filter_cfg has no key 'min_sz'. Did you mean 'min_size'?"),
    (steps(FLIP, dict(type='Resize', scales=(1, 1))), f'{D}.pipeline.1.scales=(1, 1): Resize has'),
    (steps(dict(type='RandomChoice', transforms=[[FLIP], [dict(FLIP, probe=1)]])),
     f'{D}.pipeline.0.transforms.1.0.probe=1: RandomFlip'),
    (steps(dict(type='mmkd.double', facter=3)), f'{D}.pipeline.0.facter=3: double has'),
    (Config(dict(train_evaluator=dict(type='CocoMetric', metrik='bbox'))),
     "train_evaluator.metrik='bbox': CocoMetric has no argument 'metrik'. Did you mean 'metric'?"),
    (Config(dict(train_evaluator=[dict(type='VOCMetric'), dict(type='CocoMetric', classwize=1)])),
     "train_evaluator.1.classwize=1: CocoMetric has no argument 'classwize'. Did"),
    (Config(dict(train_evaluator=dict(metrics=[dict(type='mmkd.KITTIMetric', pionts=40)]))),
     'train_evaluator.metrics.0.pionts=40'),
    (Config(dict(train_evaluator=dict(type='mmkd.CaltechMetric', subset=[]))), "'subsets'"),
])  # fmt: skip
def test_a_mistyped_name_is_refused_with_path_value_and_the_nearest(cfg, text):
    with pytest.raises(ValueError) as error:
        check_arguments(cfg, ('train',))
    assert text in str(error.value)


@pytest.mark.parametrize('cfg', [
    loader(dict(type='mmkd.TakesAnything', own=3, ann_file='a')),
    loader(dict(type='mmkd.ILSVRCDETDataset', data_root='x', indices=3, backend_args=None)),
    loader(dict(_scope_='mmdet', **coco()), batch_size=2, num_batch_per_epoch=3,
           collate_fn=dict(type='pseudo_collate')),
    loader(dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=coco())),
    loader(dict(type='MultiImageMixDataset', dataset=coco(), pipeline=[dict(type='Mosaic')])),
    steps(dict(type='Albu', transforms=[dict(type='RandomCrop', height=3, width=3)])),
    steps(dict(type='InferencerLoader', to_float32=True)),
    steps(dict(type='mmkd.double', factor=3)),
    loader(coco(filter_cfg=dict(filter_empty_gt=True, min_size=32))),
    loader(dict(type='VOCDataset', filter_cfg=dict(bbox_min_size=3))),
    loader(None), Config(dict(train_dataloader=None)),
    Config(dict(train_evaluator=dict(type='Evaluator', metrics=dict(type='VOCMetric')))),
])  # fmt: skip
def test_what_a_class_or_its_base_classes_take_passes(cfg):
    check_arguments(cfg, ('train',))


@pytest.mark.parametrize('type_, kw, needed', [
    ('mmkd.KITTIMetric', {}, True), ('mmkd.WIDERFaceMetric', {}, True),
    ('mmkd.WIDERFaceMetric', dict(ground_truth='folder'), False), ('VOCMetric', {}, False),
])  # fmt: skip
def test_what_a_metric_reads_of_a_sample_must_be_packed(type_, kw, needed):
    cfg = steps(FLIP, dict(type='PackDetInputs'))
    cfg.train_evaluator = dict(type=type_, **kw)
    if needed:
        text = rf"{D}.pipeline.1.meta_keys lacks 'instances', which train_evaluator reads: add it"
        with pytest.raises(ValueError, match=text):
            check_arguments(cfg, ('train',))
        cfg.train_dataloader.dataset.pipeline[1].meta_keys = ('img_id', 'instances')
    check_arguments(cfg, ('train',))


def test_splits_that_a_run_does_not_read_are_not_looked_at():
    check_arguments(loader(coco(rot='x')), ('test',))


def voc(classes: object) -> dict:
    return dict(type='mmkd.VOCFolderDataset', data_root='.', metainfo=dict(classes=classes))


WRAPPERS = {
    '': lambda inner: inner,
    '.dataset': lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
    '.datasets.1': lambda inner: dict(type='ConcatDataset', datasets=[coco(), inner]),
    '.dataset.dataset': lambda inner: dict(
        type='ClassBalancedDataset', oversample_thr=0.1,
        dataset=dict(type='RepeatDataset', times=2, dataset=inner)),
}  # fmt: skip


@pytest.mark.parametrize('where', WRAPPERS)
@pytest.mark.parametrize('split', ['train', 'val', 'test'])
@pytest.mark.parametrize('classes, text', [
    ('cat', r"is the text 'cat', .*: write \('cat',\), or name a file"),
    ('cat, dog', r"is the text 'cat, dog', .*: write \('cat', 'dog'\), or"),
    ('names.txt', "is the text 'names.txt', .* no such file exists"),
    (('cat', 1), r"must be a list of names, e.g. \('cat',\), got \('cat', 1\)"),
    (2, 'must be a list of names'), (dict(cat=0), 'must be a list of names'),
    (('cat', 'dog', 'cat'), "names 'cat' twice"),
])  # fmt: skip
def test_classes_that_are_no_list_of_names_are_refused(where, split, classes, text):
    for inner in (voc(classes), coco(metainfo=dict(classes=classes))):
        cfg = Config({f'{split}_dataloader': dict(dataset=WRAPPERS[where](inner))})
        path = re.escape(f'{split}_dataloader.dataset{where}.metainfo.classes')
        with pytest.raises(ValueError, match=f'^{path} {text}'):
            check_arguments(cfg, (split,))


def test_classes_of_a_class_of_data_sets_are_looked_at():
    with pytest.raises(ValueError, match=f"^{D}: OfOneClass.METAINFO classes is the text 'cat'"):
        check_arguments(loader(dict(type='mmkd.OfOneClass')), ('train',))


def test_a_file_of_classes_and_classes_that_are_not_set_pass(tmp_path):
    (tmp_path / 'names.txt').write_text('cat')
    for metainfo in (dict(classes=str(tmp_path / 'names.txt')), dict(palette=[(1, 2, 3)]), None,
                     dict(classes='s3://bucket/names.txt'), dict(classes=['cat'])):  # fmt: skip
        check_arguments(loader(coco(metainfo=metainfo)), ('train',))
