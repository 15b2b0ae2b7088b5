"""Faster R-CNN R-50 on COCO imitates the public R-101 near its objects."""

_base_ = './pairs/faster_rcnn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
