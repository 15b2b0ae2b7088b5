"""Deformable DETR R-50 on COCO, alone: MMDetection's, with the runtime of the other configs."""

_base_ = 'mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py'
custom_imports = dict(imports=['mmkd'], allow_failed_imports=False)
# Workers are started anew every epoch, so that their random state is a function of seed and epoch.
train_dataloader = dict(persistent_workers=False)
val_dataloader = dict(persistent_workers=False)
test_dataloader = dict(persistent_workers=False)
val_evaluator = dict(type='mmkd.CocoMetric')
test_evaluator = dict(type='mmkd.CocoMetric')
default_hooks = dict(
    checkpoint=dict(type='mmkd.CheckpointHook', max_keep_ckpts=3),
    nan_guard=dict(type='mmkd.NanGuardHook'),
)
custom_hooks = [
    dict(type='mmkd.ReproducibleHook'),
    dict(type='mmkd.PlainCheckpointHook'),
    dict(type='mmkd.AdapterResumeHook'),
    dict(type='mmkd.ClassNamesHook'),
]
randomness = dict(seed=0)
