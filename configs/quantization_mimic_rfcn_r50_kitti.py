"""R-FCN R-50 on KITTI mimics quantized features of an R-FCN R-101."""

_base_ = './pairs/rfcn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
