"""Faster R-CNN VGG-1-32 on Caltech imitates a VGG-16 near pedestrians."""

_base_ = './pairs/faster_rcnn_vgg16_32nd_caltech.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
