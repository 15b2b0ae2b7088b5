"""A thin ResNet-18 Faster R-CNN on drawn shapes mimics its teacher's quantized features."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic', step=0.5, loss_weight=0.25)])
