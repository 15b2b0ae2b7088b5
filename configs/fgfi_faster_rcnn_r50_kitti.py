"""Faster R-CNN R-50 on KITTI imitates a frozen R-101 near its objects."""

_base_ = './pairs/faster_rcnn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
