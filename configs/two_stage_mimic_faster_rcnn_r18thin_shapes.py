"""A thin ResNet-18 Faster R-CNN on drawn shapes mimics features and outputs of its teacher."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.TwoStageMimic', loss_weight=0.125)])
