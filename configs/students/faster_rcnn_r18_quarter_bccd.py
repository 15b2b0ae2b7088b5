"""Faster R-CNN of a quarter of ResNet-18's width on BCCD, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_quarter_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
