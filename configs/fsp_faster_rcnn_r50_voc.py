"""Faster R-CNN R-50 on VOC 07+12 under a frozen R-101, by FSP: matrices first, then the task."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(
    methods=[dict(type='mmkd.FSP')],
    stages=[dict(methods=['fsp'], epochs=1, task=False), dict(methods=[])],
)
