"""BCCD: a very thin R-FCN alone and under an R-FCN four times as wide, with every method.

python tools/compare.py configs/studies/rfcn_bccd.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first, in about thirteen minutes on a core;
--arms NAME ... runs a part of it, about six minutes a distilled run. What came out is in
docs/results_archive.md.
"""

pair = '../pairs/rfcn_r18_16th_bccd.py'
methods = dict(
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')], seeds=[0]),
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint')], seeds=[0]),
    chen2017=dict(title='Chen 2017, all terms', methods=[dict(type='mmkd.Chen2017')]),
    bounded=dict(title='bounded regression', methods=[dict(type='mmkd.BoundedRegression')]),
    # Fewer regions than the default for cheaper runs; weights with which no term begins larger than
    # the task's; the step is what tools/calibrate_quantizer.py suggests.
    proposal=dict(
        title='proposal mimic',
        methods=[dict(type='mmkd.ProposalMimic', max_per_image=64)],
        seeds=[0],
    ),
    two_stage=dict(
        title='two-stage mimic',
        methods=[dict(type='mmkd.TwoStageMimic', feats_weight=0.25, mimic=dict(max_per_image=64))],
        seeds=[0],
    ),
    quantized=dict(
        title='quantization mimic, step 0.7',
        methods=[dict(type='mmkd.QuantizationMimic', step=0.7, max_per_image=64)],
        seeds=[0],
    ),
)
seeds = [0, 1, 2]  # of the student alone and of the two best methods with seed 0
