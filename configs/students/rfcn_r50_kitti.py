"""R-FCN R-50 on KITTI, alone."""

_base_ = [
    '../_base_/models/rfcn_r50.py',
    '../_base_/datasets/kitti.py',
    '../_base_/schedules/schedule_1x.py',
    '../_base_/default_runtime.py',
]
# Anchors and RoIs that lie in DontCare regions or on neighbours are left out of the losses.
ignoring = dict(assigner=dict(ignore_iof_thr=0.5))
model = dict(
    roi_head=dict(bbox_head=dict(num_classes=3)), train_cfg=dict(rpn=ignoring, rcnn=ignoring)
)
