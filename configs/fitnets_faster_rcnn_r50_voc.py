"""Faster R-CNN R-50 on VOC 07+12 under a frozen R-101, by FitNets: hints, then task and KD."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
decay = dict(type='linear', start=4 / 9, stop=1 / 9, begin=1)
kd = dict(type='mmkd.KD', temperature=3.0, alpha=0.0, loss_weight=decay)
model = dict(
    methods=[dict(type='mmkd.FitNets'), kd],
    stages=[dict(methods=['fitnets'], epochs=1, task=False), dict(methods=['kd'])],
)
