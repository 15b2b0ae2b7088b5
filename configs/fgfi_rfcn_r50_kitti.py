"""R-FCN R-50 on KITTI imitates an R-FCN R-101 near objects."""

_base_ = './pairs/rfcn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
