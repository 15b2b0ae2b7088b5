"""A 32nd of VGG-16 on BCCD under half a ResNet-18."""

_base_ = '../students/faster_rcnn_vgg16_32nd_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_bccd/epoch_16.pth',
    ),
)
