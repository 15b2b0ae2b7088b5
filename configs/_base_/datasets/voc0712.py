"""VOC 07+12, tested on VOC 07: MMDetection's, at IoU 0.5; mAP by the eleven points of 2007."""

_base_ = 'mmdet::_base_/datasets/voc0712.py'
# Workers are started anew every epoch, so that their random state is a function of seed and epoch.
train_dataloader = dict(persistent_workers=False)
val_dataloader = dict(persistent_workers=False)
test_dataloader = dict(persistent_workers=False)
val_evaluator = dict(_delete_=True, type='mmkd.VOCMetric', eval_mode='11points')
test_evaluator = val_evaluator
