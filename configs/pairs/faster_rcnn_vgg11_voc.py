"""Faster R-CNN on VGG-11, VOC 07+12, stride 16, under VGG-16: the pair of FGFI's paper."""

_base_ = '../students/faster_rcnn_vgg11_voc.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/faster_rcnn_vgg16_voc.py',
        checkpoint='work_dirs/faster_rcnn_vgg16_voc/epoch_4.pth',
    ),
)
