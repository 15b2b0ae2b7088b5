"""R-FCN on a 32nd of VGG-16's width (VGG-1-32), at stride 16, with batch norm and from scratch."""

_base_ = './rfcn_vgg16.py'
model = dict(
    backbone=dict(width_divisor=32, batch_norm=True, frozen_stages=-1, init_cfg=None),
    neck=dict(in_channels=[16], divisor=32),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(bbox_head=dict(in_channels=32)),
)
