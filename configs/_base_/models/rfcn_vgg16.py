"""R-FCN on VGG-16's one map of stride 16, conv5_3, which RPN and RoI head share."""

_base_ = './rfcn_r50.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.VGG',
        depth=16,
        out_indices=(4,),
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16'),
    ),
    neck=dict(in_channels=[512], divisor=2),
    rpn_head=dict(in_channels=512),
    roi_head=dict(bbox_head=dict(in_channels=512)),
)
