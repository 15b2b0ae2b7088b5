"""A thin ResNet-18 Faster R-CNN on drawn shapes mimics its teacher inside its own proposals."""

_base_ = './students/faster_rcnn_r18thin_shapes.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/teachers/faster_rcnn_r18_shapes.py',
        checkpoint='work_dirs/faster_rcnn_r18_shapes/epoch_7.pth',
    ),
    methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25)],
)
