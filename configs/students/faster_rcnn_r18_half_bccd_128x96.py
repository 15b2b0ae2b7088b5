"""Half a ResNet-18 on BCCD at half the resolution, 128x96, alone: its teacher's own network."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_half_fpn.py',
    '../_base_/datasets/bccd_128x96.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
# Objects have half the size, so anchors and the border of the finest level have as well.
model = dict(
    rpn_head=dict(anchor_generator=dict(scales=[2])),
    roi_head=dict(bbox_roi_extractor=dict(finest_scale=8)),
)
