"""R-FCN on a sixteenth of VGG-16's width with batch norm, from scratch on small images.

Its one map is conv4_3, whose stride of 8 its anchors share.
"""

_base_ = './rfcn_r18_16th.py'
stride = 8
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.VGG',
        depth=16,
        width_divisor=16,
        batch_norm=True,
        out_indices=(3,),
    ),
    neck=dict(in_channels=[32]),
    rpn_head=dict(in_channels=32, anchor_generator=dict(scales=[2, 4, 8, 16], strides=[stride])),
    roi_head=dict(bbox_roi_extractor=dict(featmap_stride=stride)),
)
