"""Faster R-CNN R-50 on VOC 07+12 at half the image size, under itself at full size.

The teacher is the plain student config, trained at full size; the student begins with its weights.
"""

_base_ = './faster_rcnn_r50_voc.py'
checkpoint = 'work_dirs/faster_rcnn_r50_voc/epoch_4.pth'
model = dict(
    student=dict(init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    teacher=dict(
        _delete_=True,
        config='{{ fileDirname }}/../students/faster_rcnn_r50_voc.py',
        checkpoint=checkpoint,
    ),
    student_scale=0.5,
)
