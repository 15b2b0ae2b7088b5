"""Shapes, ``train`` to ``val``: does more weight, another term or another method beat the recipe?

python tools/dataset_converters/make_shapes.py data/shapes
python tools/compare.py configs/studies/search_shapes.py --teacher-checkpoint PATH
A search: the images that recipe_shapes.py reports on are not looked at.
"""

pair = '../pairs/faster_rcnn_r18_16th_shapes.py'
cfg_options = {
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(
    recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]),
    strong=dict(title='recipe, three times', methods=[dict(type='mmkd.Recipe', loss_weight=3.0)]),
    cross=dict(
        title='recipe + CrossKD on RoIs',
        methods=[dict(type='mmkd.Recipe'), dict(type='mmkd.CrossKD')],
    ),
    strong_cross=dict(
        title='recipe + CrossKD on RoIs, both three times',
        methods=[
            dict(type='mmkd.Recipe', loss_weight=3.0),
            dict(type='mmkd.CrossKD', loss_weight=3.0),
        ],
    ),
    dist_rpn=dict(
        title='recipe + DIST on the RPN',
        methods=[dict(type='mmkd.Recipe'), dict(type='mmkd.DIST', on=['rpn'])],
    ),
    dist_rois=dict(
        title='recipe + DIST on RoIs',
        methods=[dict(type='mmkd.Recipe'), dict(type='mmkd.DIST')],
    ),
    binary=dict(
        title='recipe + BinaryKD',
        methods=[dict(type='mmkd.Recipe'), dict(type='mmkd.BinaryKD')],
    ),
    mgd=dict(title='MGD', methods=[dict(type='mmkd.MGD')]),
    fgd=dict(title='FGD', methods=[dict(type='mmkd.FGD')]),
)
seeds = [0, 1]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/search_shapes.json'
