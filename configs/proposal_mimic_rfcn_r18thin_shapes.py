"""A very thin R-FCN mimics one four times as wide inside its proposals, on shapes."""

_base_ = './_base_/pairs/rfcn_r18thin_shapes.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25)])
