"""R-FCN VGG-1-32 on WIDER FACE mimics quantized features of a VGG-16."""

_base_ = './pairs/rfcn_vgg16_32nd_wider_face.py'
model = dict(methods=[dict(type='mmkd.QuantizationMimic')])
