"""Very thin Faster R-CNN (a sixteenth of ResNet-18's width) on the built-in shapes, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18thin_fpn.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[4, 8, 16, 32], out_channels=12),
    rpn_head=dict(in_channels=12, feat_channels=12),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=12),
        bbox_head=dict(in_channels=12, fc_out_channels=24, num_classes=10),
    ),
)
