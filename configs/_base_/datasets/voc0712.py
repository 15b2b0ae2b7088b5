"""VOC 07+12, tested on VOC 07: MMDetection's, evaluated at IoU 0.5 by VOC 2007's eleven points."""

_base_ = 'mmdet::_base_/datasets/voc0712.py'
# Workers are started anew every epoch, so that their random state is a function of seed and epoch.
train_dataloader = dict(persistent_workers=False)
val_dataloader = dict(persistent_workers=False)
test_dataloader = dict(persistent_workers=False)
