"""Teacher on VOC 07+12: R-FCN on VGG-16's single map."""

_base_ = [
    '../_base_/models/rfcn_vgg16.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/schedules/schedule_voc0712.py',
    '../_base_/default_runtime.py',
]
optim_wrapper = dict(clip_grad=dict(max_norm=10, norm_type=2))
