"""Teacher on VOC 07+12: R-FCN R-101."""

_base_ = '../students/rfcn_r50_voc.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'))
)
