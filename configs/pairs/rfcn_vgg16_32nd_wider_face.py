"""R-FCN VGG-1-32 on WIDER FACE under a frozen R-FCN VGG-16."""

_base_ = '../students/rfcn_vgg16_32nd_wider_face.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/rfcn_vgg16_wider_face.py',
        checkpoint='work_dirs/rfcn_vgg16_wider_face/epoch_12.pth',
    ),
)
