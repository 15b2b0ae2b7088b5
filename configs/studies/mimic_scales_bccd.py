"""BCCD: the student at half the resolution, alone and under mimic over scales.

python tools/compare.py configs/studies/mimic_scales_bccd.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first. Under a teacher the student's images are
shrunk from the teacher's: ``shrunk`` is the student alone on these.
"""

pair = '../pairs/faster_rcnn_r18_16th_bccd_128x96.py'
student = dict(config='../students/faster_rcnn_r18_16th_bccd_128x96.py')
scales = dict(student_scale=0.5, pairing='upsample')
methods = dict(
    shrunk=dict(
        title='alone on shrunk images',
        methods=[dict(type='mmkd.ProposalMimic', loss_weight=0)],
        **scales,
    ),
    bilinear=dict(
        title='mimic over scales, bilinear',
        methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25, max_per_image=64)],
        **scales,
    ),
    deconv=dict(
        title='mimic over scales, deconvolution',
        methods=[
            dict(type='mmkd.ProposalMimic', upsample='deconv', loss_weight=0.25, max_per_image=64)
        ],
        **scales,
    ),
)
seeds = [0, 1]
del scales
