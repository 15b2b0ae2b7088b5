"""Faster R-CNN R-50 on VOC 07+12 under a frozen R-101: hints first, then the task with KD."""

_base_ = './pairs/faster_rcnn_r50_voc.py'
model = dict(
    methods=[
        dict(type='mmkd.FitNets', alone_epochs=1),
        # The paper's lambda decays from 4 to 1, at temperature 3 and without T^2.
        dict(
            type='mmkd.KD',
            temperature=3.0,
            alpha=0.0,
            loss_weight=[
                dict(type='constant', value=0.0),
                dict(type='linear', start=4 / 9, stop=1 / 9, begin=1, end=4),
            ],
        ),
    ]
)
