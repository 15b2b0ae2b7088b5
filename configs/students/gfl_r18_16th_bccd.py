"""Very thin GFL (a sixteenth of ResNet-18's width) on BCCD, alone."""

_base_ = [
    '../_base_/models/gfl_r18_16th_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
