"""Mimic over scales on BCCD: the student sees 128x96, its teacher 256x192 pixels."""

_base_ = './proposal_mimic_faster_rcnn_r18thin_bccd.py'
model = dict(
    student=dict(
        rpn_head=dict(anchor_generator=dict(scales=[2])),
        roi_head=dict(bbox_roi_extractor=dict(finest_scale=8)),
    ),
    student_scale=0.5,
    pairing='upsample',
    methods=[dict(type='mmkd.ProposalMimic', upsample='deconv', loss_weight=0.25)],
)
