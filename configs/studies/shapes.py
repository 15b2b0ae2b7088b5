"""Shapes: the thin student alone, with whole-map hints, FGFI, and two-stage mimic, over seeds.

python tools/compare.py configs/studies/shapes.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first.
"""

pair = '../pairs/faster_rcnn_r18_16th_shapes.py'
methods = dict(
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint')]),
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')]),
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
)
seeds = [0, 1, 2]
