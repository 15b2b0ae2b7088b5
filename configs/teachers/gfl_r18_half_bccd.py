"""Teacher of the thin GFL on BCCD: the same detector, eight times as wide."""

_base_ = [
    '../_base_/models/gfl_r18_half_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin_16e.py',
    '../_base_/default_runtime.py',
]
