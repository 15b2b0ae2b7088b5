"""R-FCN R-50 on VOC 07+12, alone."""

_base_ = [
    '../_base_/models/rfcn_r50.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/schedules/schedule_voc0712.py',
    '../_base_/default_runtime.py',
]
