"""RetinaNet on a 16th of ResNet-18 on BCCD under one on half of it."""

_base_ = '../students/retinanet_r18_16th_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/retinanet_r18_half_bccd.py',
        checkpoint='work_dirs/retinanet_r18_half_bccd/epoch_16.pth',
    ),
)
