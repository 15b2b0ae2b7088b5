"""Teacher on KITTI: Faster R-CNN R-101-FPN."""

_base_ = '../students/faster_rcnn_r50_kitti.py'
model = dict(
    backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'))
)
