"""MMDetection's runtime, with mmkd imported and runs that resume as if never stopped."""

_base_ = 'mmdet::_base_/default_runtime.py'
custom_imports = dict(imports=['mmkd'], allow_failed_imports=False)
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
