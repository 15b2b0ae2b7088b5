"""Thin Faster R-CNN (0.5 M parameters) on the built-in shapes, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18thin_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=10)))
