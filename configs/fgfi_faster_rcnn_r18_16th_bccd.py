"""A thin ResNet-18 Faster R-CNN imitates one 2.7 times as wide near the cells of BCCD."""

_base_ = './pairs/faster_rcnn_r18_16th_bccd.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
