"""A very thin R-FCN on BCCD under a wide one."""

_base_ = '../students/rfcn_r18_16th_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r18_quarter_bccd.py',
        checkpoint='work_dirs/rfcn_r18_quarter_bccd/epoch_16.pth',
    ),
)
