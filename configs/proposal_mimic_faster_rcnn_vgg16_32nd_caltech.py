"""Faster R-CNN VGG-1-32 on Caltech mimics a VGG-16 inside its own proposals."""

_base_ = './pairs/faster_rcnn_vgg16_32nd_caltech.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic')])
