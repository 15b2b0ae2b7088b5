"""Deformable DETR R-50 on COCO under the public one with two stages."""

_base_ = '../students/deformable_detr_r50_coco.py'

model = dict(
    _delete_=True,
    type='mmkd.DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/../teachers/deformable_detr_two_stage_r50_coco.py',
        checkpoint='https://download.openmmlab.com/mmdetection/v3.0/deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco/deformable-detr-refine-twostage_r50_16xb2-50e_coco_20221021_184714-acc8a5ff.pth',
    ),
)
