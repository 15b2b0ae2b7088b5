"""Faster R-CNN on half of ResNet-18's width (3.4 M parameters)."""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=128),
    ),
)
