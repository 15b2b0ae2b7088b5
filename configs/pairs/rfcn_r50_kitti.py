"""R-FCN R-50 on KITTI under a frozen R-FCN R-101."""

_base_ = '../students/rfcn_r50_kitti.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r101_kitti.py',
        checkpoint='work_dirs/rfcn_r101_kitti/epoch_12.pth',
    ),
)
