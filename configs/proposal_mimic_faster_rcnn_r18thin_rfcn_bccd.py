"""A very thin Faster R-CNN on BCCD mimics an R-FCN's map inside its proposals, at stride 4."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_rfcn_bccd.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic', levels=[[0, 1]])])
