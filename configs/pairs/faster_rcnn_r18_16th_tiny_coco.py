"""Faster R-CNN on a 16th of ResNet-18, fifty images of COCO, under one on half of it."""

_base_ = '../students/faster_rcnn_r18_16th_tiny_coco.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_tiny_coco.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_tiny_coco/epoch_16.pth',
    ),
)
