"""RetinaNet on a 16th of ResNet-18 on the built-in shapes under one on half of it."""

_base_ = '../students/retinanet_r18_16th_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/retinanet_r18_half_shapes.py',
        checkpoint='work_dirs/retinanet_r18_half_shapes/epoch_7.pth',
    ),
)
