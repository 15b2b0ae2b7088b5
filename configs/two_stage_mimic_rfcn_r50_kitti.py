"""R-FCN R-50 on KITTI mimics features and outputs of an R-FCN R-101."""

_base_ = './pairs/rfcn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic')])
