"""A very thin Faster R-CNN on BCCD imitates an R-FCN: the pyramid's stride 4 and its map."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_rfcn_bccd.py'
model = dict(methods=[dict(type='mmkd.FGFI', levels=[[0, 1]])])
