"""A very thin R-FCN on BCCD under a wide Faster R-CNN; a config names the methods."""

_base_ = '../../students/rfcn_r18thin_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../../teachers/faster_rcnn_r18_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_bccd/epoch_16.pth',
    ),
    methods=[],
)
