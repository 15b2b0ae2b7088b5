"""A very thin R-FCN mimics one four times as wide inside its proposals, on shapes."""

_base_ = './students/rfcn_r18thin_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/rfcn_r18_shapes.py',
        checkpoint='work_dirs/rfcn_r18_shapes/epoch_7.pth',
    ),
    methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25)],
)
