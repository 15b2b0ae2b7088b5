"""R-FCN on a sixteenth of VGG-16's width with batch norm, from scratch on small images.

Its one map is conv4_3: stride 8, as in rfcn_r18half, which can teach it map by map.
"""

_base_ = './rfcn_r18sixteenth.py'
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
    rpn_head=dict(in_channels=32),
)
