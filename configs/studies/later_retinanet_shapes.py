"""Shapes: a thin RetinaNet under the recipe and DIST, on images drawn afresh.

python tools/dataset_converters/make_shapes.py data/shapes
python tools/dataset_converters/make_shapes.py data/shapes_test --train 1 --val 200 --seed 1
python tools/compare.py configs/studies/later_retinanet_shapes.py
The second set of later_retinanet_bccd.py, whose arms these are; without a checkpoint the teacher is
trained first.
"""

_base_ = './recipe_shapes.py'
pair = '../pairs/retinanet_r18_16th_shapes.py'
methods = dict(
    recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]),
    dist=dict(title='DIST', methods=[dict(type='mmkd.DIST', on=['dense'])]),
)
seeds = [0, 1, 2]
record = '../../docs/studies/later_retinanet_shapes.json'
