"""Faster R-CNN on a 32nd of VGG-16's width with batch norm, from scratch on small images."""

_base_ = './faster_rcnn_vgg16_16th_fpn.py'
model = dict(
    backbone=dict(width_divisor=32),
    neck=dict(in_channels=[8, 16, 16, 16], out_channels=8),
    rpn_head=dict(in_channels=8, feat_channels=8),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=8),
        bbox_head=dict(in_channels=8, fc_out_channels=16),
    ),
)
