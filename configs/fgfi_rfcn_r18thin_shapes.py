"""A very thin R-FCN imitates one four times as wide near the objects of shapes."""

_base_ = './students/rfcn_r18thin_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/rfcn_r18_shapes.py',
        checkpoint='work_dirs/rfcn_r18_shapes/epoch_7.pth',
    ),
    methods=[dict(type='mmkd.FGFI')],
)
