"""Faster R-CNN R-50 on COCO under the public R-101: the whole objective of Chen 2017."""

_base_ = './pairs/faster_rcnn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
