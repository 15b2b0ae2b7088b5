"""Model configs of MMDetection detectors that build in well under a second.

The backbone is a ResNet-18 whose widths are ``base_channels`` times 1, 2, 4, 8; no file is
downloaded. Anchors suit images of 64 to 128 pixels. Every type carries its scope, so a config
builds from any registry. Keyword arguments replace entries of the result at the top level.
"""

from mmengine.config import ConfigDict


def _preprocessor() -> dict:
    return dict(
        type='mmdet.DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32,
    )


def _resnet(base_channels: int, stages: int = 4, out_indices: tuple = (0, 1, 2, 3)) -> dict:
    return dict(
        type='mmdet.ResNet',
        depth=18,
        base_channels=base_channels,
        num_stages=stages,
        strides=(1, 2, 2, 2)[:stages],
        dilations=(1, 1, 1, 1)[:stages],
        out_indices=out_indices,
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
    )


def _delta_coder(stds: tuple) -> dict:
    return dict(
        type='mmdet.DeltaXYWHBBoxCoder', target_means=[0.0, 0.0, 0.0, 0.0], target_stds=list(stds)
    )


def _assigner(pos: float, neg: float, min_pos: float, low_quality: bool) -> dict:
    return dict(
        type='mmdet.MaxIoUAssigner',
        pos_iou_thr=pos,
        neg_iou_thr=neg,
        min_pos_iou=min_pos,
        match_low_quality=low_quality,
        ignore_iof_thr=-1,
    )


def _sampler(num: int, pos_fraction: float, add_gt: bool) -> dict:
    return dict(
        type='mmdet.RandomSampler',
        num=num,
        pos_fraction=pos_fraction,
        neg_pos_ub=-1,
        add_gt_as_proposals=add_gt,
    )


def _rpn_head(in_channels: int, feat_channels: int, anchors: dict) -> dict:
    return dict(
        type='mmdet.RPNHead',
        in_channels=in_channels,
        feat_channels=feat_channels,
        anchor_generator=dict(type='mmdet.AnchorGenerator', ratios=[0.5, 1.0, 2.0], **anchors),
        bbox_coder=_delta_coder((1.0, 1.0, 1.0, 1.0)),
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=1.0),
    )


def _roi_head(channels: int, strides: list, num_classes: int, fc_channels: int) -> dict:
    return dict(
        type='mmdet.StandardRoIHead',
        bbox_roi_extractor=dict(
            type='mmdet.SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            out_channels=channels,
            featmap_strides=strides,
        ),
        bbox_head=dict(
            type='mmdet.Shared2FCBBoxHead',
            in_channels=channels,
            fc_out_channels=fc_channels,
            roi_feat_size=7,
            num_classes=num_classes,
            bbox_coder=_delta_coder((0.1, 0.1, 0.2, 0.2)),
            reg_class_agnostic=False,
            loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
            loss_bbox=dict(type='mmdet.L1Loss', loss_weight=1.0),
        ),
    )


def _two_stage_cfgs() -> dict:
    proposals = dict(max_per_img=64, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0)
    return dict(
        train_cfg=dict(
            rpn=dict(
                assigner=_assigner(0.7, 0.3, 0.3, True),
                sampler=_sampler(64, 0.5, False),
                allowed_border=-1,
                pos_weight=-1,
                debug=False,
            ),
            rpn_proposal=dict(nms_pre=128, **proposals),
            rcnn=dict(
                assigner=_assigner(0.5, 0.5, 0.5, False),
                sampler=_sampler(32, 0.25, True),
                pos_weight=-1,
                debug=False,
            ),
        ),
        test_cfg=dict(
            rpn=dict(nms_pre=128, **proposals),
            rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20),
        ),
    )


def tiny_faster_rcnn_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """Faster R-CNN with FPN: five levels of ``out_channels``, strides 4 to 64, 3 anchors each."""
    strides = [4, 8, 16, 32, 64]
    cfg = dict(
        type='mmdet.FasterRCNN',
        data_preprocessor=_preprocessor(),
        backbone=_resnet(base_channels),
        neck=dict(
            type='mmdet.FPN',
            in_channels=[base_channels * 2**i for i in range(4)],
            out_channels=out_channels,
            num_outs=5,
        ),
        rpn_head=_rpn_head(out_channels, out_channels, dict(scales=[4], strides=strides)),
        roi_head=_roi_head(out_channels, strides[:4], num_classes, 32),
        **_two_stage_cfgs(),
    )
    return ConfigDict({**cfg, **kw})


def tiny_c4_faster_rcnn_cfg(
    num_classes: int = 3, base_channels: int = 8, **kw: object
) -> ConfigDict:
    """Faster R-CNN without a neck: one map of ``4 * base_channels`` at stride 16, 9 anchors."""
    channels = 4 * base_channels
    cfg = dict(
        type='mmdet.FasterRCNN',
        data_preprocessor=_preprocessor(),
        backbone=_resnet(base_channels, stages=3, out_indices=(2,)),
        rpn_head=_rpn_head(channels, channels, dict(scales=[1, 2, 4], strides=[16])),
        roi_head=_roi_head(channels, [16], num_classes, 32),
        **_two_stage_cfgs(),
    )
    return ConfigDict({**cfg, **kw})


def _one_stage_neck(base_channels: int, out_channels: int, **kw: object) -> dict:
    return dict(
        type='mmdet.FPN',
        in_channels=[base_channels * 2**i for i in range(4)],
        out_channels=out_channels,
        start_level=1,
        num_outs=5,
        **kw,
    )


def _one_stage_test_cfg() -> dict:
    return dict(
        nms_pre=128,
        min_bbox_size=0,
        score_thr=0.001,
        nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=20,
    )


def tiny_retinanet_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """RetinaNet: five levels of ``out_channels``, strides 8 to 128, 9 anchors each."""
    cfg = dict(
        type='mmdet.RetinaNet',
        data_preprocessor=_preprocessor(),
        backbone=_resnet(base_channels),
        neck=_one_stage_neck(base_channels, out_channels, add_extra_convs='on_input'),
        bbox_head=dict(
            type='mmdet.RetinaHead',
            num_classes=num_classes,
            in_channels=out_channels,
            stacked_convs=1,
            feat_channels=out_channels,
            anchor_generator=dict(
                type='mmdet.AnchorGenerator',
                octave_base_scale=2,
                scales_per_octave=3,
                ratios=[0.5, 1.0, 2.0],
                strides=[8, 16, 32, 64, 128],
            ),
            bbox_coder=_delta_coder((1.0, 1.0, 1.0, 1.0)),
            loss_cls=dict(
                type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0
            ),
            loss_bbox=dict(type='mmdet.L1Loss', loss_weight=1.0),
        ),
        train_cfg=dict(
            assigner=_assigner(0.5, 0.4, 0.0, True),
            sampler=dict(type='mmdet.PseudoSampler'),
            allowed_border=-1,
            pos_weight=-1,
            debug=False,
        ),
        test_cfg=_one_stage_test_cfg(),
    )
    return ConfigDict({**cfg, **kw})


def tiny_fcos_cfg(
    num_classes: int = 3, base_channels: int = 8, out_channels: int = 16, **kw: object
) -> ConfigDict:
    """FCOS (anchor-free): five levels of ``out_channels``, strides 8 to 128, batch-norm heads."""
    cfg = dict(
        type='mmdet.FCOS',
        data_preprocessor=_preprocessor(),
        backbone=_resnet(base_channels),
        neck=_one_stage_neck(
            base_channels, out_channels, add_extra_convs='on_output', relu_before_extra_convs=True
        ),
        bbox_head=dict(
            type='mmdet.FCOSHead',
            num_classes=num_classes,
            in_channels=out_channels,
            stacked_convs=1,
            feat_channels=out_channels,
            strides=[8, 16, 32, 64, 128],
            regress_ranges=((-1, 16), (16, 32), (32, 64), (64, 128), (128, 1e8)),
            norm_cfg=dict(type='BN', requires_grad=True),
            loss_cls=dict(
                type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0
            ),
            loss_bbox=dict(type='mmdet.IoULoss', loss_weight=1.0),
            loss_centerness=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        ),
        test_cfg=_one_stage_test_cfg(),
    )
    return ConfigDict({**cfg, **kw})


def tiny_ssd_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """SSD300: six levels, strides 8 to 300; its last map has no cell below 273 pixels."""
    channels = [2 * base_channels, 4 * base_channels] + [8] * 4
    preprocessor = dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=1)
    cfg = dict(
        type='mmdet.SingleStageDetector',
        data_preprocessor=preprocessor,
        backbone=_resnet(base_channels, stages=3, out_indices=(1, 2)),
        neck=dict(
            type='mmdet.SSDNeck',
            in_channels=channels[:2],
            out_channels=channels,
            level_strides=(2, 2, 1, 1),
            level_paddings=(1, 1, 0, 0),
        ),
        bbox_head=dict(
            type='mmdet.SSDHead',
            in_channels=channels,
            num_classes=num_classes,
            anchor_generator=dict(
                type='mmdet.SSDAnchorGenerator',
                scale_major=False,
                input_size=300,
                basesize_ratio_range=(0.15, 0.9),
                strides=[8, 16, 32, 64, 100, 300],
                ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
            ),
            bbox_coder=_delta_coder((0.1, 0.1, 0.2, 0.2)),
        ),
        train_cfg=dict(
            assigner=_assigner(0.5, 0.5, 0.0, True),
            sampler=dict(type='mmdet.PseudoSampler'),
            smoothl1_beta=1.0,
            allowed_border=-1,
            pos_weight=-1,
            neg_pos_ratio=3,
            debug=False,
        ),
        test_cfg=_one_stage_test_cfg(),
    )
    return ConfigDict({**cfg, **kw})


def tiny_cascade_rcnn_cfg(num_classes: int = 3, base_channels: int = 8, **kw: object) -> ConfigDict:
    """Cascade R-CNN with FPN and two stages."""
    cfg = tiny_faster_rcnn_cfg(num_classes, base_channels)
    head = cfg.roi_head
    stages = [
        dict(head.bbox_head, reg_class_agnostic=True, bbox_coder=_delta_coder(stds))
        for stds in ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1))
    ]
    cfg.type = 'mmdet.CascadeRCNN'
    cfg.roi_head = dict(
        type='mmdet.CascadeRoIHead',
        num_stages=2,
        stage_loss_weights=[1.0, 0.5],
        bbox_roi_extractor=head.bbox_roi_extractor,
        bbox_head=stages,
    )
    cfg.train_cfg.rcnn = [
        dict(
            cfg.train_cfg.rcnn,
            assigner=_assigner(iou, iou, iou, False),
        )
        for iou in (0.5, 0.6)
    ]
    return ConfigDict({**cfg, **kw})
