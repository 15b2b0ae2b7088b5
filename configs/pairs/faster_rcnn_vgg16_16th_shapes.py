"""A sixteenth of VGG-16 on the built-in shapes under half a ResNet-18."""

_base_ = '../students/faster_rcnn_vgg16_16th_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_shapes.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_shapes/epoch_7.pth',
    ),
)
