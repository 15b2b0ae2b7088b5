"""Faster R-CNN, a quarter of ResNet-18, on faces with and without mask under half of it."""

_base_ = '../students/faster_rcnn_r18_quarter_face_mask.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_r18_half_face_mask.py',
        checkpoint='work_dirs/faster_rcnn_r18_half_face_mask/epoch_7.pth',
    ),
)
