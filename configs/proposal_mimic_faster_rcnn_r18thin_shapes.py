"""A thin ResNet-18 Faster R-CNN on drawn shapes mimics its teacher inside its own proposals."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25)])
