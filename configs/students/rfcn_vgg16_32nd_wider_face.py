"""R-FCN VGG-1-32 on WIDER FACE, alone: the tiny student of Wei et al. (ECCV 2018)."""

_base_ = [
    '../_base_/models/rfcn_vgg16_32nd.py',
    '../_base_/datasets/wider_face.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
# Faces are square and small: anchors of 16 to 256 pixels. One class.
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[1, 2, 4, 8, 16], ratios=[1.0])),
    roi_head=dict(bbox_head=dict(num_classes=1)),
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)), rcnn=dict(assigner=dict(ignore_iof_thr=0.5))
    ),
)
optim_wrapper = dict(clip_grad=dict(max_norm=10, norm_type=2))
