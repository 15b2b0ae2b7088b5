"""Faster R-CNN of a quarter of ResNet-18's width on faces with and without mask, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_quarter_fpn.py',
    '../_base_/datasets/face_mask.py',
    '../_base_/schedules/schedule_thin_7e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[2])),  # objects begin at 8 pixels
    roi_head=dict(bbox_roi_extractor=dict(finest_scale=8), bbox_head=dict(num_classes=3)),
)
