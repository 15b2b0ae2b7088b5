"""R-FCN on a 16th of ResNet-18 on the built-in shapes under one on a quarter of it."""

_base_ = '../students/rfcn_r18_16th_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r18_quarter_shapes.py',
        checkpoint='work_dirs/rfcn_r18_quarter_shapes/epoch_7.pth',
    ),
)
