"""The pair of FGFI's paper: Faster R-CNN on VGG-11 imitates VGG-16 on VOC 07+12, stride 16."""

_base_ = './students/faster_rcnn_vgg11_voc.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_vgg16_voc.py',
        checkpoint='work_dirs/faster_rcnn_vgg16_voc/epoch_4.pth',
    ),
    methods=[dict(type='mmkd.FGFI', warmup_iters=400)],
)
