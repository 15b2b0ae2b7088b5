"""BCCD: one teacher, one very thin student, every method; see docs/results_archive.md.

python tools/compare.py configs/studies/bccd.py --teacher-checkpoint PATH --arms student fgfi
Without a checkpoint the study trains the teacher first; without --arms it runs all of it, about
three minutes a run on a core.
"""

pair = '../pairs/faster_rcnn_r18_16th_bccd.py'
methods = dict(
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint')]),
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')], seeds=[0, 1, 2, 3, 4, 5]),
    # The ablation of Chen et al. 2017; its hint alone is the whole-map hint above.
    soft=dict(
        title='soft classification',
        methods=[dict(type='mmkd.Chen2017', nu=0, gamma=0)],
        seeds=[0, 1],
    ),
    bounded=dict(
        title='bounded regression',
        methods=[dict(type='mmkd.Chen2017', mu=1, gamma=0)],
        seeds=[0, 1],
    ),
    chen2017=dict(title='Chen 2017, all terms', methods=[dict(type='mmkd.Chen2017')]),
    fgfi_bounded=dict(
        title='FGFI + bounded regression',
        methods=[dict(type='mmkd.FGFI'), dict(type='mmkd.BoundedRegression')],
    ),
    # Weights with which the losses begin about as large as the task's; fewer regions than the
    # default for cheaper runs. Steps: what tools/calibrate_quantizer.py suggests, and the
    # features' deviation.
    proposal=dict(
        title='proposal mimic',
        methods=[dict(type='mmkd.ProposalMimic', loss_weight=0.25, max_per_image=64)],
        seeds=[0, 1],
    ),
    two_stage=dict(
        title='two-stage mimic',
        methods=[
            dict(
                type='mmkd.TwoStageMimic',
                feats_weight=0.125,
                cls_weight=0.01,
                mimic=dict(loss_weight=0.125, max_per_image=64),
            )
        ],
        seeds=[0, 1],
    ),
    quantized_fine=dict(
        title='quantization mimic, step 0.5',
        methods=[dict(type='mmkd.QuantizationMimic', step=0.5, loss_weight=0.25, max_per_image=64)],
        seeds=[0, 1],
    ),
    quantized_coarse=dict(
        title='quantization mimic, step 2',
        methods=[dict(type='mmkd.QuantizationMimic', step=2.0, loss_weight=0.25, max_per_image=64)],
        seeds=[0, 1],
    ),
)
seeds = [0, 1, 2]
