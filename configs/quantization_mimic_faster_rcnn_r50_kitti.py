"""Faster R-CNN R-50 on KITTI mimics its teacher's quantized features."""

_base_ = './pairs/faster_rcnn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
