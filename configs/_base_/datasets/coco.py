"""COCO 2017 detection: MMDetection's, with COCO's twelve numbers.

val_evaluator.backend=faster_coco_eval evaluates many times as fast, with the same numbers.
"""

_base_ = 'mmdet::_base_/datasets/coco_detection.py'
# Workers are started anew every epoch, so that their random state is a function of seed and epoch.
train_dataloader = dict(persistent_workers=False)
val_dataloader = dict(persistent_workers=False)
test_dataloader = dict(persistent_workers=False)
val_evaluator = dict(type='mmkd.CocoMetric')
test_evaluator = val_evaluator
