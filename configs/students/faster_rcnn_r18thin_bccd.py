"""Very thin Faster R-CNN (a sixteenth of ResNet-18's width) on BCCD, alone.

The thin one of 0.5 M parameters comes close to the teacher on BCCD; this one leaves a gap to close.
"""

_base_ = [
    '../_base_/models/faster_rcnn_r18thin_fpn.py',
    '../_base_/datasets/bccd.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[4, 8, 16, 32], out_channels=12),
    rpn_head=dict(in_channels=12, feat_channels=12),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=12),
        bbox_head=dict(in_channels=12, fc_out_channels=24),
    ),
)
