"""The ablation of Chen 2017 on BCCD: bounded regression alone."""

_base_ = './chen2017_faster_rcnn_r18thin_bccd.py'
model = dict(methods=[dict(type='mmkd.Chen2017', mu=1, gamma=0)])
