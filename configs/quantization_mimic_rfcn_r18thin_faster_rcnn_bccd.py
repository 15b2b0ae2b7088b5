"""A very thin R-FCN on BCCD mimics a Faster R-CNN's quantized map of stride 4."""

_base_ = './_base_/pairs/rfcn_r18thin_faster_rcnn_bccd.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic', levels=[[1, 0]])])
