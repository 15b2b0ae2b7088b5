"""Teacher of the thin R-FCN on the built-in shapes: the same detector, four times as wide."""

_base_ = [
    '../_base_/models/rfcn_r18_quarter.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=10)))
