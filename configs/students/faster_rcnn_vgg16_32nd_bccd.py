"""Faster R-CNN on a 32nd of VGG-16's width, on BCCD, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_vgg16_32nd_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
