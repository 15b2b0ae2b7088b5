"""Faster R-CNN R-50 on VOC 07+12 at half the image size, under itself at full size, by KD."""

_base_ = './pairs/faster_rcnn_r50_voc_half_size.py'
model = dict(methods=[dict(type='mmkd.KD')])
