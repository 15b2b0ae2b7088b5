"""Faster R-CNN R-50 on VOC 07+12 answers class by class as a frozen R-101 does."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.BinaryKD')])
