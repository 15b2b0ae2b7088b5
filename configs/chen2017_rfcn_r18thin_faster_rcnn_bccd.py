"""A very thin R-FCN on BCCD under a Faster R-CNN: Chen 2017 without the RPN, as anchors differ."""

_base_ = './_base_/pairs/rfcn_r18thin_faster_rcnn_bccd.py'
model = dict(methods=[dict(type='mmkd.Chen2017', on='roi_head', hint=dict(levels=[[1, 0]]))])
