"""Very thin RetinaNet (a sixteenth of ResNet-18's width) on the built-in shapes, alone."""

_base_ = [
    '../_base_/models/retinanet_r18_16th_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_classes=10))
