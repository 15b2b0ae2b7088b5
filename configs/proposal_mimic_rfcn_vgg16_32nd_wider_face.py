"""R-FCN VGG-1-32 on WIDER FACE mimics a VGG-16 inside its own proposals."""

_base_ = './pairs/rfcn_vgg16_32nd_wider_face.py'
model = dict(methods=[dict(type='mmkd.ProposalMimic')])
