"""A very thin R-FCN on BCCD under a Faster R-CNN: Chen 2017 without the RPN, as anchors differ."""

_base_ = './students/rfcn_r18thin_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_r18_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_bccd/epoch_16.pth',
    ),
    methods=[dict(type='mmkd.Chen2017', on='rcn', hint=dict(levels=[[1, 0]]))],
)
