"""A very thin Faster R-CNN on fifty images of COCO approaches whole feature maps of a wide one."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_tiny_coco.py'
model = dict(methods=[dict(type='mmkd.Hint')])
