"""Faster R-CNN on a 16th of ResNet-18 on the built-in shapes under one on half of it."""

_base_ = '../students/faster_rcnn_r18_16th_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_shapes.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_shapes/epoch_7.pth',
    ),
)
