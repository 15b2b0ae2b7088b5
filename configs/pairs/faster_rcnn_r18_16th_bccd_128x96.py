"""A sixteenth of ResNet-18 on BCCD at 128x96 pixels; its teacher, half of one, sees 256x192."""

_base_ = './faster_rcnn_r18_16th_bccd.py'
# Objects have half the size, so anchors and the border of the finest level have as well.
model = dict(
    student=dict(
        rpn_head=dict(anchor_generator=dict(scales=[2])),
        roi_head=dict(bbox_roi_extractor=dict(finest_scale=8)),
    ),
    student_scale=0.5,
    pairing='upsample',
)
