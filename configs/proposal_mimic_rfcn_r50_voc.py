"""R-FCN R-50 on VOC 07+12 mimics an R-FCN R-101 inside its proposals."""

_base_ = './pairs/rfcn_r50_voc.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic')])
