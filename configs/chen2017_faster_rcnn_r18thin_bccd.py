"""A very thin ResNet-18 Faster R-CNN on BCCD under a wide one: the objective of Chen 2017."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
