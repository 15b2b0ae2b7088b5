"""A very thin Faster R-CNN on fifty images of COCO under a wide one: all of Chen 2017."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_tiny_coco.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
