"""R-FCN R-50 on KITTI mimics an R-FCN R-101 inside its proposals."""

_base_ = './pairs/rfcn_r50_kitti.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic')])
