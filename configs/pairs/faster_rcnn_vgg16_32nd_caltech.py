"""Faster R-CNN VGG-1-32 on Caltech under a frozen VGG-16."""

_base_ = '../students/faster_rcnn_vgg16_32nd_caltech.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_vgg16_caltech.py',
        checkpoint='work_dirs/faster_rcnn_vgg16_caltech/epoch_12.pth',
    ),
)
