"""BCCD: proposal mimic, two-stage mimic, and quantization mimic at a fine and a coarse step.

python tools/compare.py configs/studies/mimic_bccd.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first.
"""

teacher = dict(config='../teachers/faster_rcnn_r18_bccd.py')
student = dict(config='../students/faster_rcnn_r18thin_bccd.py')
methods = dict(
    proposal=dict(title='proposal mimic', methods=[dict(type='mmkd.ProposalMimic')]),
    # Features weigh as much as in the first arm, half in each stage.
    two_stage=dict(
        title='two-stage mimic',
        methods=[
            dict(type='mmkd.TwoStageMimic', feats_weight=0.5, mimic=dict(loss_weight=0.5)),
        ],
    ),
    quantized_fine=dict(
        title='quantization mimic, step 0.5',
        methods=[dict(type='mmkd.QuantizationMimic', step=0.5)],
    ),
    quantized_coarse=dict(
        title='quantization mimic, step 2',
        methods=[dict(type='mmkd.QuantizationMimic', step=2.0)],
    ),
)
seeds = [0, 1]
