"""A very thin R-FCN on shapes under a wide one: the objective of Chen 2017."""

_base_ = './_base_/pairs/rfcn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
