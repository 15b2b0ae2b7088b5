"""VOC 07 alone: trainval, tested on test; mAP by the eleven points of 2007."""

_base_ = './voc0712.py'
train = dict(
    type='VOCDataset',
    data_root='data/VOCdevkit/',
    ann_file='VOC2007/ImageSets/Main/trainval.txt',
    data_prefix=dict(sub_data_root='VOC2007/'),
    filter_cfg=dict(filter_empty_gt=True, min_size=32, bbox_min_size=32),
    pipeline=_base_.train_pipeline,
)
train_dataloader = dict(dataset=dict(_delete_=True, type='RepeatDataset', times=3, dataset=train))
