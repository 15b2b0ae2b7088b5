"""Faster R-CNN on VGG-11's single map, on VOC 07+12, alone: the student of FGFI's paper."""

_base_ = '../teachers/faster_rcnn_vgg16_voc.py'
model = dict(
    backbone=dict(depth=11, init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg11'))
)
