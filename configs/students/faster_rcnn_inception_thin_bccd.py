"""Faster R-CNN on a thin Inception-like network of timm, on BCCD, alone; needs mmkd[timm]."""

_base_ = [
    '../_base_/models/faster_rcnn_inception_thin_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
