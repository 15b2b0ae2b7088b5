"""Deformable DETR R-50 on COCO under the public one with two stages, by its queries."""

_base_ = './pairs/deformable_detr_r50_coco.py'
model = dict(methods=[dict(type='mmkd.SetPrediction')])
