"""A very thin R-FCN on BCCD under a wide Faster R-CNN."""

_base_ = '../students/rfcn_r18_16th_bccd.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_bccd.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_bccd/epoch_16.pth',
    ),
)
