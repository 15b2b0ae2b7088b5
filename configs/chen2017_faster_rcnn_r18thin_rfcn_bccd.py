"""A very thin Faster R-CNN on BCCD under an R-FCN: Chen 2017 without the RPN, as anchors differ."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_rfcn_bccd.py'
model = dict(methods=[dict(type='mmkd.Chen2017', on='roi_head', hint=dict(levels=[[0, 1]]))])
