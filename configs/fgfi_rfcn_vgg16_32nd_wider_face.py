"""R-FCN VGG-1-32 on WIDER FACE imitates a VGG-16 near faces."""

_base_ = './pairs/rfcn_vgg16_32nd_wider_face.py'
model = dict(methods=[dict(type='mmkd.FGFI')])
