"""Faster R-CNN of a quarter of ResNet-18's width on drawn shapes, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_quarter_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=10)))
