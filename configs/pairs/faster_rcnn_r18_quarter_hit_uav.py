"""Faster R-CNN, a quarter of ResNet-18, on thermal images from the air under half of it."""

_base_ = '../students/faster_rcnn_r18_quarter_hit_uav.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_hit_uav.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_hit_uav/epoch_7.pth',
    ),
)
