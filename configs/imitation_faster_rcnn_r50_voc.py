"""Faster R-CNN R-50 on VOC 07+12 approaches the standardized features of a frozen R-101."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.Imitation')])
