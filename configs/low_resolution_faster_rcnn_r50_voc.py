"""Faster R-CNN R-50 on VOC 07+12 at half the image size, under itself at full size, by KD.

The teacher is the plain student config, trained at full size; the student begins with its weights.
"""

_base_ = './students/faster_rcnn_r50_voc.py'

checkpoint = 'work_dirs/faster_rcnn_r50_voc/epoch_4.pth'
model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=dict(**_base_.model, init_cfg=dict(type='Pretrained', checkpoint=checkpoint)),
    teacher=dict(config='{{ fileDirname }}/students/faster_rcnn_r50_voc.py', checkpoint=checkpoint),
    student_scale=0.5,
    methods=[dict(type='mmkd.KD', temperature=4.0, alpha=0.5)],
)
