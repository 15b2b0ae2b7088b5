"""Faster R-CNN R-50 on KITTI under R-101: soft classes, bounded boxes, hints (Chen 2017)."""

_base_ = './pairs/faster_rcnn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
