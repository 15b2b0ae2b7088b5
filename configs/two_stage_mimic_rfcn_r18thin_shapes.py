"""A very thin R-FCN mimics one four times as wide everywhere, on the built-in shapes."""

_base_ = './_base_/pairs/rfcn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic', loss_weight=0.125)])
