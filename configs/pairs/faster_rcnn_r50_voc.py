"""Faster R-CNN R-50 on VOC 07+12 under a frozen R-101."""

_base_ = '../students/faster_rcnn_r50_voc.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r101_voc.py',
        checkpoint='work_dirs/faster_rcnn_r101_voc/epoch_4.pth',
    ),
)
