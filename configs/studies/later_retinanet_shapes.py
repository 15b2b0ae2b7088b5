"""Shapes: a thin RetinaNet under FGFI and DIST, on images drawn afresh.

python tools/dataset_converters/make_shapes.py data/shapes
python tools/dataset_converters/make_shapes.py data/shapes_test --train 1 --val 200 --seed 1
python tools/compare.py configs/studies/later_retinanet_shapes.py
The second set of later_retinanet_bccd.py: the recipe is DIST here because of these two. Without a
checkpoint the teacher is trained first.
"""

_base_ = './recipe_shapes.py'
pair = '../pairs/retinanet_r18_16th_shapes.py'
methods = dict(
    _delete_=True,
    fgfi=dict(
        title='FGFI, its weight found',
        methods=[dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.7))],
    ),
    dist=dict(title='DIST', methods=[dict(type='mmkd.DIST', on=['dense'])]),
)
seeds = [0, 1, 2]
record = '../../docs/studies/later_retinanet_shapes.json'
