"""Caltech pedestrian: log-average miss rate of the reasonable subset.

train.json and test.json are written by tools/dataset_converters/caltech_to_coco.py. Persons that
the reasonable subset leaves out are crowds in them, and so ignored in training where assigners set
ignore_iof_thr.
"""

_base_ = './loaders.py'
dataset_type = 'CocoDataset'
data_root = 'data/caltech/'
metainfo = dict(classes=('person',))
scale = (960, 720)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='train.json',
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='test.json',
        data_prefix=dict(img='images/'),
        metainfo=metainfo,
        test_mode=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='mmkd.CaltechMetric', ann_file=data_root + 'test.json')
test_evaluator = val_evaluator
