"""R-FCN on VGG-11's single map, on VOC 07+12, alone."""

_base_ = '../teachers/rfcn_vgg16_voc.py'
model = dict(
    backbone=dict(depth=11, init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg11'))
)
