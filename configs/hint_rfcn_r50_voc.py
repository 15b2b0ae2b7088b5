"""R-FCN R-50 on VOC 07+12 approaches whole maps of an R-FCN R-101."""

_base_ = './_base_/pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.Hint')])
