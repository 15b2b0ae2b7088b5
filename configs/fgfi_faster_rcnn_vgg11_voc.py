"""The pair of FGFI's paper: Faster R-CNN on VGG-11 imitates VGG-16 on VOC 07+12, stride 16."""

_base_ = './pairs/faster_rcnn_vgg11_voc.py'
model = dict(methods=[dict(type='mmkd.FGFI', warmup_iters=400)])
