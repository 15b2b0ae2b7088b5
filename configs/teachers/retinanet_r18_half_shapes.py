"""Teacher of the thin RetinaNet on shapes: the same detector, eight times as wide."""

_base_ = [
    '../_base_/models/retinanet_r18_half_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
