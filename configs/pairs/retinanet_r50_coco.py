"""RetinaNet R-50 on COCO under the public R-101."""

_base_ = '../students/retinanet_r50_coco.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/retinanet_r101_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v2.0/retinanet/retinanet_r101_fpn_2x_coco/retinanet_r101_fpn_2x_coco_20200131-5560aee8.pth',
    ),
)
