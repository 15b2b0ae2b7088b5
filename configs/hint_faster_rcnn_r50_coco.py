"""Faster R-CNN R-50 on COCO approaches whole feature maps of the public R-101."""

_base_ = './_base_/pairs/faster_rcnn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.Hint')])
