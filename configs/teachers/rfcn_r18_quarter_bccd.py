"""Teacher of the thin R-FCN on BCCD: the same detector, four times as wide."""

_base_ = [
    '../_base_/models/rfcn_r18_quarter.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin_16e.py',
    '../_base_/default_runtime.py',
]
