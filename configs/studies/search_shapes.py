"""Shapes, ``train`` to ``val``: does more weight, or a term on the RoI head, add to the recipe?

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
)
seeds = [0, 1]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/search_shapes.json'
