"""A very thin R-FCN on BCCD imitates a Faster R-CNN: its map and the pyramid's of stride 4."""

_base_ = './students/rfcn_r18thin_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_r18_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_bccd/epoch_16.pth',
    ),
    methods=[dict(type='mmkd.FGFI', levels=[[1, 0]])],
)
