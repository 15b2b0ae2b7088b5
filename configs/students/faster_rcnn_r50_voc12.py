"""Faster R-CNN R-50-FPN on VOC 12, alone."""

_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    '../_base_/datasets/voc12.py',
    '../_base_/schedules/schedule_voc0712.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))
