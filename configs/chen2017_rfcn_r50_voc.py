"""R-FCN R-50 on VOC 07+12 under R-FCN R-101: the whole objective of Chen 2017."""

_base_ = './pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
