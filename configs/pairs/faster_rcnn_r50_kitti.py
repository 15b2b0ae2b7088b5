"""Faster R-CNN R-50 on KITTI under a frozen R-101."""

_base_ = '../students/faster_rcnn_r50_kitti.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r101_kitti.py',
        checkpoint='work_dirs/faster_rcnn_r101_kitti/epoch_12.pth',
    ),
)
