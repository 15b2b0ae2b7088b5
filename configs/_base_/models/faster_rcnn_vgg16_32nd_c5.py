"""Faster R-CNN on a 32nd of VGG-16's width, its one map of stride 16, from scratch."""

_base_ = './faster_rcnn_vgg16_c5.py'
model = dict(
    backbone=dict(width_divisor=32, batch_norm=True, frozen_stages=-1, init_cfg=None),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=128),
    ),
)
