"""A very thin Faster R-CNN on fifty images of COCO imitates a wide one near its objects."""

_base_ = './pairs/faster_rcnn_r18_16th_tiny_coco.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
