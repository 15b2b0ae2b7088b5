"""R-FCN on ResNet-50 (Dai et al., NIPS 2016): stride 16, 7 x 7 bins, RPN on the fourth stage."""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'
stride, bins = 16, 7
model = dict(
    type='mmkd.RFCN',
    backbone=dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), out_indices=(2, 3)),
    neck=dict(_delete_=True, type='mmkd.RFCNNeck', in_channels=[1024, 2048]),
    rpn_head=dict(
        type='mmkd.LevelRPNHead',
        in_channels=1024,
        feat_channels=512,
        anchor_generator=dict(scales=[8, 16, 32], strides=[stride]),
    ),
    roi_head=dict(
        type='mmkd.RFCNRoIHead',
        bbox_roi_extractor=dict(
            _delete_=True, type='mmkd.PSRoIExtractor', featmap_stride=stride, output_size=bins
        ),
        bbox_head=dict(
            _delete_=True,
            type='mmkd.RFCNHead',
            in_channels=1024,
            roi_feat_size=bins,
            num_classes=20,
            loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
        ),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=6000, max_per_img=2000)),
    test_cfg=dict(rpn=dict(nms_pre=6000, max_per_img=300)),
)
