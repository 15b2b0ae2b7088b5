"""R-FCN on a sixteenth of VGG-16's width, on BCCD, alone."""

_base_ = [
    '../_base_/models/rfcn_vgg16_16th.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
