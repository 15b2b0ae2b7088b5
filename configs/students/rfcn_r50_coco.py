"""R-FCN R-50 on COCO, alone."""

_base_ = [
    '../_base_/models/rfcn_r50.py',
    '../_base_/datasets/coco.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=80)))
