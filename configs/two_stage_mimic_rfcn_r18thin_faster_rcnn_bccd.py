"""A very thin R-FCN on BCCD mimics a Faster R-CNN's map and outputs: that pools to other bins."""

_base_ = './_base_/pairs/rfcn_r18thin_faster_rcnn_bccd.py'
model = dict(
    methods=[dict(type='mmkd.TwoStageMimic', feats_weight=0.0, mimic=dict(levels=[[1, 0]]))]
)
