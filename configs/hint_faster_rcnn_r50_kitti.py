"""Faster R-CNN R-50 on KITTI approaches whole feature maps of a frozen R-101."""

_base_ = './_base_/pairs/faster_rcnn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.Hint')])
