"""Faster R-CNN on a sixteenth of VGG-16's width with batch norm, from scratch on small images.

The pyramid has the strides of the thin ResNets, so their detectors can be its teachers: conv3_3,
conv4_3, conv5_3 and the fifth pooling.
"""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.VGG',
        depth=16,
        width_divisor=16,
        batch_norm=True,
        out_indices=(2, 3, 4, 5),
    ),
    neck=dict(in_channels=[16, 32, 32, 32], out_channels=16),
    rpn_head=dict(in_channels=16, feat_channels=16),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16),
        bbox_head=dict(in_channels=16, fc_out_channels=32),
    ),
)
