"""Teacher on COCO: R-FCN R-101."""

_base_ = '../students/rfcn_r50_coco.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'))
)
