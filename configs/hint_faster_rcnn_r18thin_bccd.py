"""A very thin ResNet-18 Faster R-CNN approaches whole maps of a wide one on BCCD."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.Hint')])
