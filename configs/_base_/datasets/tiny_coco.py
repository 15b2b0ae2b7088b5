"""Fifty images of COCO val2017 with all its 80 classes, trained on and evaluated at 256x192.

Too few to generalise from: a detector shows here that it learns, and nothing more.
"""

_base_ = './voc_folder_256x192.py'
tiny_coco = dict(
    type='CocoDataset',
    data_root='data/tiny_coco/',
    ann_file='annotations/instances_val2017.json',
    data_prefix=dict(img='val2017/'),
)
train = dict(filter_cfg=dict(filter_empty_gt=True), pipeline=_base_.train_pipeline, **tiny_coco)
val = dict(_delete_=True, test_mode=True, pipeline=_base_.test_pipeline, **tiny_coco)
train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=10, dataset=train))
val_dataloader = dict(dataset=val)
test_dataloader = val_dataloader
val_evaluator = dict(
    _delete_=True,
    type='mmkd.CocoMetric',
    ann_file='data/tiny_coco/annotations/instances_val2017.json',
)
test_evaluator = val_evaluator
