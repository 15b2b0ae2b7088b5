"""A very thin ResNet-18 Faster R-CNN on BCCD mimics its teacher inside its own proposals."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25)])
