"""BCCD: a very thin R-FCN alone and under a wide R-FCN with every method, one seed each.

python tools/compare.py configs/studies/rfcn_bccd.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first. --arms NAME ... runs a part of it.
"""

teacher = dict(config='../teachers/rfcn_r18_bccd.py')
student = dict(config='../students/rfcn_r18thin_bccd.py')
methods = dict(
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')]),
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint')]),
    chen2017=dict(title='Chen 2017', methods=[dict(type='mmkd.Chen2017')]),
    bounded=dict(title='bounded regression', methods=[dict(type='mmkd.BoundedRegression')]),
    proposal_mimic=dict(title='proposal mimic', methods=[dict(type='mmkd.ProposalMimic')]),
    two_stage_mimic=dict(title='two-stage mimic', methods=[dict(type='mmkd.TwoStageMimic')]),
    quantization_mimic=dict(
        title='quantization mimic', methods=[dict(type='mmkd.QuantizationMimic')]
    ),
)
seeds = [0]
