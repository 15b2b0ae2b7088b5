"""A very thin Faster R-CNN on BCCD mimics an R-FCN's map and outputs: it pools to other bins."""

_base_ = './_base_/pairs/faster_rcnn_r18thin_rfcn_bccd.py'
model = dict(
    methods=[dict(type='mmkd.TwoStageMimic', feats_weight=0.0, mimic=dict(levels=[[0, 1]]))]
)
