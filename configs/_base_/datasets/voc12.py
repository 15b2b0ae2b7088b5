"""VOC 12 alone: train, evaluated on val (test has no public annotations); mAP by area."""

_base_ = './voc0712.py'
voc12 = dict(
    type='VOCDataset',
    data_root='data/VOCdevkit/',
    data_prefix=dict(sub_data_root='VOC2012/'),
)
train = dict(
    ann_file='VOC2012/ImageSets/Main/train.txt',
    filter_cfg=dict(filter_empty_gt=True, min_size=32, bbox_min_size=32),
    pipeline=_base_.train_pipeline,
    **voc12,
)
train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, dataset=train))
val_dataloader = dict(dataset=dict(ann_file='VOC2012/ImageSets/Main/val.txt', **voc12))
test_dataloader = val_dataloader
val_evaluator = dict(eval_mode='area')
test_evaluator = val_evaluator
