"""R-FCN R-50 on VOC 07+12 mimics quantized features of an R-FCN R-101."""

_base_ = './pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
