"""R-FCN R-50 on COCO approaches whole maps of an R-FCN R-101."""

_base_ = './_base_/pairs/rfcn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.Hint')])
