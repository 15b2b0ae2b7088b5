"""A thin ResNet-18 Faster R-CNN imitates one eight times as wide near drawn shapes."""

_base_ = './pairs/faster_rcnn_r18_16th_shapes.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
