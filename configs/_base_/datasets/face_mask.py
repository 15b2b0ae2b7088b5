"""Faces with a mask, without one, and with one worn wrongly: COCO layout, CC BY 4.0 in its export.

https://github.com/iniakunhuda/detr-facemask-dataset. The set has no test split: every fifth image
of its ``train.json`` is the validation set here, on which settings are chosen, and its ``val.json``
is for one last run of ``tools/test.py``.
"""

_base_ = './voc_folder_256x192.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=(320, 320), keep_ratio=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(320, 320), keep_ratio=True),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
face_mask = dict(
    _delete_=True,
    type='CocoDataset',
    data_root='data/face_mask/',
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=('mask_weared_incorrect', 'with_mask', 'without_mask')),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/train.json',
        indices=[i for i in range(677) if i % 5],
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
        **face_mask,
    )
)
test = dict(test_mode=True, pipeline=test_pipeline, **face_mask)
val_dataloader = dict(
    dataset=dict(ann_file='annotations/train.json', indices=list(range(0, 677, 5)), **test)
)
test_dataloader = dict(dataset=dict(ann_file='annotations/val.json', **test))
evaluator = dict(_delete_=True, type='mmkd.CocoMetric')
val_evaluator = dict(ann_file='data/face_mask/annotations/train.json', **evaluator)
test_evaluator = dict(ann_file='data/face_mask/annotations/val.json', **evaluator)
