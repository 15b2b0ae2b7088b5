"""Faster R-CNN R-50 on COCO mimics its teacher inside its own proposals."""

_base_ = './pairs/faster_rcnn_r50_coco.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic')])
