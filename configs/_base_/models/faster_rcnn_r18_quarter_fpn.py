"""The thin Faster R-CNN at a quarter of ResNet-18's width."""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
model = dict(
    backbone=dict(base_channels=16),
    neck=dict(in_channels=[16, 32, 64, 128], out_channels=32),
    rpn_head=dict(in_channels=32, feat_channels=32),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(in_channels=32, fc_out_channels=64),
    ),
)
