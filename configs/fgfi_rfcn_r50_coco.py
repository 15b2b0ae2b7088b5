"""R-FCN R-50 on COCO imitates an R-FCN R-101 near objects."""

_base_ = './pairs/rfcn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
