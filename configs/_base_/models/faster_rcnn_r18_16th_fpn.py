"""Faster R-CNN on a sixteenth of ResNet-18's width (67 k parameters)."""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
model = dict(
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[4, 8, 16, 32], out_channels=12),
    rpn_head=dict(in_channels=12, feat_channels=12),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=12),
        bbox_head=dict(in_channels=12, fc_out_channels=24),
    ),
)
