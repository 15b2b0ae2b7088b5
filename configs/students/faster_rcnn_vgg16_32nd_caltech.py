"""Faster R-CNN VGG-1-32 on Caltech pedestrian, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_vgg16_32nd_c5.py',
    '../_base_/datasets/caltech.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
# Pedestrians are upright, 0.41 as wide as high: one ratio of height to width, nine heights from 40
# to 320 pixels of the enlarged image. One class; what the annotations call a crowd is left out.
model = dict(
    rpn_head=dict(
        anchor_generator=dict(scales=[1.6, 2.1, 2.7, 3.5, 4.6, 6.0, 7.7, 10.0, 13.0], ratios=[2.44])
    ),
    roi_head=dict(bbox_head=dict(num_classes=1)),
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)), rcnn=dict(assigner=dict(ignore_iof_thr=0.5))
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=10, norm_type=2))
default_hooks = dict(checkpoint=dict(save_best='caltech/LAMR_reasonable', rule='less'))
