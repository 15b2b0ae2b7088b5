"""Faster R-CNN on a thin Inception-like network of timm, from scratch on small images.

InceptionNeXt (Yu et al., CVPR 2024) splits its depthwise convolutions into Inception's branches.
Its layers start at full weight and not at timm's 1e-6, which a schedule of minutes never outgrows.
"""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.TimmBackbone',
        model_name='inception_next_atto',
        depths=(1, 1, 2, 1),
        dims=(8, 16, 32, 64),
        ls_init_value=1.0,
    ),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=12),
    rpn_head=dict(in_channels=12, feat_channels=12),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=12),
        bbox_head=dict(in_channels=12, fc_out_channels=24),
    ),
)
