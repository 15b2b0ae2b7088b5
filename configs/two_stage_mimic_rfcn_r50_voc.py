"""R-FCN R-50 on VOC 07+12 mimics features and outputs of an R-FCN R-101."""

_base_ = './pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic')])
