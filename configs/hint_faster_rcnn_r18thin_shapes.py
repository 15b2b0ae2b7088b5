"""A thin ResNet-18 Faster R-CNN approaches whole maps of one eight times as wide on shapes."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.Hint')])
