"""R-FCN R-50 on VOC 07+12, alone, with the paper's online hard example mining."""

_base_ = './rfcn_r50_voc.py'
model = dict(
    train_cfg=dict(
        rpn_proposal=dict(max_per_img=300),
        rcnn=dict(sampler=dict(type='OHEMSampler', num=128)),
    )
)
