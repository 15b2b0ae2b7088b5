"""Teacher on COCO: Deformable DETR R-50 with two stages, whose boxes are refined layer by layer."""

_base_ = '../students/deformable_detr_r50_coco.py'
model = dict(with_box_refine=True, as_two_stage=True)
