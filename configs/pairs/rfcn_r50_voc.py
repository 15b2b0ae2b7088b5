"""R-FCN R-50 on VOC 07+12 under a frozen R-FCN R-101."""

_base_ = '../students/rfcn_r50_voc.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_r101_voc.py',
        checkpoint='work_dirs/rfcn_r101_voc/epoch_4.pth',
    ),
)
