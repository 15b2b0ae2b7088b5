"""RetinaNet R-50-FPN on COCO, alone."""

_base_ = [
    'mmdet::_base_/models/retinanet_r50_fpn.py',
    '../_base_/datasets/coco.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(optimizer=dict(lr=0.01))
