"""A very thin R-FCN on BCCD mimics a Faster R-CNN's map of stride 4 inside its proposals."""

_base_ = './_base_/pairs/rfcn_r18thin_faster_rcnn_bccd.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic', levels=[[1, 0]])])
