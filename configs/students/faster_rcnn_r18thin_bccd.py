"""Thin Faster R-CNN (0.5 M parameters) on BCCD, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18thin_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
