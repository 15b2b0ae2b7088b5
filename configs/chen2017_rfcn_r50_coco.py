"""R-FCN R-50 on COCO under R-FCN R-101: the whole objective of Chen 2017."""

_base_ = './pairs/rfcn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.Chen2017')])
