"""A very thin ResNet-18 Faster R-CNN on BCCD mimics its teacher's quantized features."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic', step=0.5, loss_weight=0.25)])
