"""A very thin R-FCN imitates one four times as wide near the objects of BCCD."""

_base_ = './_base_/pairs/rfcn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
