"""Teacher of the thin Faster R-CNN on fifty images of COCO: the same detector, 3.5 M parameters."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_half_fpn.py',
    '../_base_/datasets/tiny_coco.py',
    '../_base_/schedules/schedule_thin_16e.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=80)))
