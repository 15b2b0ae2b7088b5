"""A very thin R-FCN approaches whole maps of one four times as wide on shapes."""

_base_ = './_base_/pairs/rfcn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.Hint')])
