"""Faster R-CNN R-50 on VOC 07+12 under a frozen R-101, by FitNets: hints first, then the task."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.FitNets', alone_epochs=1)])
