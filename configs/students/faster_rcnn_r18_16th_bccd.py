"""Very thin Faster R-CNN (a sixteenth of ResNet-18's width) on BCCD, alone.

The thin one of 0.5 M parameters comes close to the teacher on BCCD; this one leaves a gap to close.
"""

_base_ = [
    '../_base_/models/faster_rcnn_r18_16th_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
