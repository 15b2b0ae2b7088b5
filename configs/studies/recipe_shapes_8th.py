"""Shapes: the recipe on a student of a quarter of the teacher's width.

python tools/compare.py configs/studies/recipe_shapes_8th.py --teacher-checkpoint PATH
As recipe_shapes.py, whose student has an eighth, with three paired seeds.
"""

_base_ = './recipe_shapes.py'
pair = '../pairs/faster_rcnn_r18_8th_shapes.py'
seeds = [0, 1, 2]
record = '../../docs/studies/recipe_shapes_8th.json'
