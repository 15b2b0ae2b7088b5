"""Faster R-CNN on a 32nd of VGG-16's width, on the built-in shapes, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_vgg16_32nd_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=10)))
