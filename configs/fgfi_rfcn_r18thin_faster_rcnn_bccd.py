"""A very thin R-FCN on BCCD imitates a Faster R-CNN: its map and the pyramid's of stride 4."""

_base_ = './_base_/pairs/rfcn_r18thin_faster_rcnn_bccd.py'
model = dict(methods=[dict(type='mmkd.FGFI', levels=[[1, 0]])])
