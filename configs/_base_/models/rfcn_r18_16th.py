"""R-FCN on a sixteenth of ResNet-18's width, a quarter of rfcn_r18_quarter (58 k weights)."""

_base_ = './rfcn_r18_quarter.py'
model = dict(
    backbone=dict(base_channels=4),
    neck=dict(in_channels=[16, 32], divisor=16),
    rpn_head=dict(in_channels=16, feat_channels=32),
    roi_head=dict(bbox_head=dict(in_channels=64)),
)
