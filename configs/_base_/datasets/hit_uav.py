"""HIT-UAV, thermal images from the air as crops of 320x256: COCO layout, CC BY 4.0.

https://github.com/suojiashun/HIT-UAV-Infrared-Thermal-Dataset. Settings are chosen on ``val``, the
validation set here; ``test`` is for one last run of ``tools/test.py``.
"""

_base_ = './voc_folder_256x192.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale_factor=1.0),
    dict(
        type='PackDetInputs',
        meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
    ),
]
hit_uav = dict(
    _delete_=True,
    type='CocoDataset',
    data_root='data/hit_uav/',
    data_prefix=dict(img='images/'),
    metainfo=dict(classes=('Person', 'Car', 'Bicycle', 'OtherVehicle')),
)
train_dataloader = dict(
    dataset=dict(
        ann_file='annotations/train.json',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
        **hit_uav,
    )
)
test = dict(test_mode=True, pipeline=test_pipeline, **hit_uav)
val_dataloader = dict(dataset=dict(ann_file='annotations/val.json', **test))
test_dataloader = dict(dataset=dict(ann_file='annotations/test.json', **test))
evaluator = dict(_delete_=True, type='mmkd.CocoMetric')
val_evaluator = dict(ann_file='data/hit_uav/annotations/val.json', **evaluator)
test_evaluator = dict(ann_file='data/hit_uav/annotations/test.json', **evaluator)
