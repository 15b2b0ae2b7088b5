"""Faster R-CNN R-50 on KITTI mimics features and outputs of its teacher."""

_base_ = './pairs/faster_rcnn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic')])
