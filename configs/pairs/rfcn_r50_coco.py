"""R-FCN R-50 on COCO under a frozen R-FCN R-101."""

_base_ = '../students/rfcn_r50_coco.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r101_coco.py',
        checkpoint='work_dirs/rfcn_r101_coco/epoch_12.pth',
    ),
)
