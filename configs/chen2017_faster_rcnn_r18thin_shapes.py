"""A thin ResNet-18 Faster R-CNN on shapes under a wide one: the objective of Chen 2017."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
