"""R-FCN on a quarter of ResNet-18's width, trained from scratch on small images (0.7 M parameters).

The heads' maps have stride 4, not 16, as the smallest boxes of a 256x192 image have 16 pixels, and
3 x 3 bins. Anchors are those of the thin Faster R-CNN, 16 to 128 pixels, but all on one grid, where
a large object meets many and a small one few, if any, with an IoU of 0.7. So 0.5 makes one
positive, positives are drawn object by object, and NMS sees 6000, as in the paper: the best 2000
may all lie on large objects. What the strides would have given the receptive field, the dilations
give.
"""

_base_ = './faster_rcnn_r18_3_16ths_fpn.py'
stride, bins = 4, 3
model = dict(
    type='mmkd.RFCN',
    backbone=dict(
        base_channels=16, strides=(1, 1, 1, 1), dilations=(1, 1, 2, 4), out_indices=(2, 3)
    ),
    neck=dict(
        _delete_=True,
        type='mmkd.RFCNNeck',
        in_channels=[64, 128],
        divisor=8,
        # The authors' deviation of 0.01 is for 2048 channels; 128 would nearly vanish.
        init_cfg=dict(type='Kaiming', layer='Conv2d'),
    ),
    rpn_head=dict(
        type='mmkd.LevelRPNHead',
        in_channels=64,
        feat_channels=64,
        anchor_generator=dict(scales=[4, 8, 16, 32], strides=[stride]),
    ),
    roi_head=dict(
        type='mmkd.RFCNRoIHead',
        bbox_roi_extractor=dict(
            _delete_=True, type='mmkd.PSRoIExtractor', featmap_stride=stride, output_size=bins
        ),
        bbox_head=dict(
            _delete_=True,
            type='mmkd.RFCNHead',
            in_channels=128,
            roi_feat_size=bins,
            num_classes=3,
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2],
            ),
            loss_cls=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(pos_iou_thr=0.5),
            sampler=dict(type='mmkd.ObjectBalancedSampler'),
        ),
        rpn_proposal=dict(nms_pre=6000, max_per_img=300),
        rcnn=dict(sampler=dict(type='mmkd.ObjectBalancedSampler')),
    ),
    test_cfg=dict(rpn=dict(nms_pre=6000, max_per_img=300)),
)
