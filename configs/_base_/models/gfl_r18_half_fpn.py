"""GFL on half of ResNet-18's width."""

_base_ = './gfl_r18_16th_fpn.py'
model = dict(
    backbone=dict(base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256], out_channels=64),
    bbox_head=dict(in_channels=64, feat_channels=64),
)
