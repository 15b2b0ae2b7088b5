"""Teacher on VOC 07+12: Faster R-CNN R-101-FPN."""

_base_ = '../students/faster_rcnn_r50_voc.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'))
)
