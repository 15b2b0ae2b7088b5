"""R-FCN R-50 on VOC 07+12 imitates an R-FCN R-101 near objects."""

_base_ = './pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
