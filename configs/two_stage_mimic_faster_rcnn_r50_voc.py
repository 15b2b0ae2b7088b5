"""Faster R-CNN R-50 on VOC 07+12 mimics features and outputs of its teacher."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic')])
