"""The BCCD teacher tuned for four epochs with its pyramid quantized, for quantization mimic."""

_base_ = './faster_rcnn_r18_half_bccd.py'
load_from = 'work_dirs/faster_rcnn_r18_half_bccd/epoch_16.pth'
model = dict(neck=dict(_delete_=True, type='mmkd.QuantizedNeck', step=0.5, neck=_base_.model.neck))
train_cfg = dict(max_epochs=4, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=0.0002))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min_ratio=0.01, begin=0, end=4, by_epoch=True)
]
