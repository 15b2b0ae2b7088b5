"""Faster R-CNN R-50 on COCO mimics its teacher's quantized features."""

_base_ = './pairs/faster_rcnn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
