"""Teacher on VOC 07+12: Faster R-CNN on VGG-16's single map, as in FGFI's paper."""

_base_ = [
    '../_base_/models/faster_rcnn_vgg16_c5.py',
    '../_base_/datasets/voc0712.py',
    '../_base_/schedules/schedule_voc0712.py',
    '../_base_/default_runtime.py',
]
model = dict(roi_head=dict(bbox_head=dict(num_classes=20)))
optim_wrapper = dict(clip_grad=dict(max_norm=10, norm_type=2))
