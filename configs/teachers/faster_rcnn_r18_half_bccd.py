"""Teacher of the thin Faster R-CNN on bccd: the same detector, 3.4 M parameters."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_half_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin_16e.py',
    '../_base_/default_runtime.py',
]
