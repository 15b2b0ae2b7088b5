"""R-FCN on a 16th of ResNet-18 on BCCD under a Faster R-CNN on half of it."""

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
