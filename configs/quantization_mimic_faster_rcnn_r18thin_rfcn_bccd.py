"""A very thin Faster R-CNN on BCCD mimics an R-FCN's quantized map, at stride 4."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_rfcn_bccd.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic', levels=[[0, 1]])])
