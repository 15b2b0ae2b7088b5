"""Very thin Faster R-CNN (a sixteenth of ResNet-18's width) on fifty images of COCO, alone."""

_base_ = [
    '../_base_/models/faster_rcnn_r18_16th_fpn.py',
    '../_base_/datasets/tiny_coco.py',
    '../_base_/schedules/schedule_thin.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=80)))
