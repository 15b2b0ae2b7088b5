"""Faster R-CNN on VGG-16's one map of stride 16, conv5_3, as in Ren et al. (NIPS 2015).

RoIs are aligned instead of pooled, and the two layers of 4096 start from scratch; the rest is the
setting of py-faster-rcnn: anchors of 128, 256, 512 pixels, conv1 and conv2 frozen.
"""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmkd.VGG',
        depth=16,
        out_indices=(4,),
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16'),
    ),
    neck=None,
    rpn_head=dict(
        in_channels=512,
        feat_channels=512,
        anchor_generator=dict(scales=[8, 16, 32], strides=[16]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=512, featmap_strides=[16]),
        bbox_head=dict(in_channels=512, fc_out_channels=4096),
    ),
    train_cfg=dict(rpn=dict(allowed_border=0), rpn_proposal=dict(nms_pre=12000, max_per_img=2000)),
    test_cfg=dict(rpn=dict(nms_pre=6000, max_per_img=300)),
)
