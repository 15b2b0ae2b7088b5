"""R-FCN R-50 on COCO mimics quantized features of an R-FCN R-101."""

_base_ = './pairs/rfcn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
