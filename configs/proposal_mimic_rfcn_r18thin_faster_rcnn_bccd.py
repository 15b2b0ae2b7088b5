"""A very thin R-FCN on BCCD mimics a Faster R-CNN's map of stride 4 inside its proposals."""

_base_ = './students/rfcn_r18thin_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_r18_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_bccd/epoch_16.pth',
    ),
    methods=[dict(type='mmkd.ProposalMimic', levels=[[1, 0]])],
)
