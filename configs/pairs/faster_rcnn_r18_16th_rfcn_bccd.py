"""Faster R-CNN on a 16th of ResNet-18 on BCCD under an R-FCN on a quarter of it."""

_base_ = '../students/faster_rcnn_r18_16th_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r18_quarter_bccd.py',
        checkpoint='work_dirs/rfcn_r18_quarter_bccd/epoch_16.pth',
    ),
)
