"""BCCD, ``train`` to ``test``: the recipe on a student of a quarter of the teacher's width.

python tools/compare.py configs/studies/recipe_bccd_8th.py --teacher-checkpoint PATH
As recipe_bccd.py, whose student has an eighth, with three paired seeds.
"""

_base_ = './recipe_bccd.py'
pair = '../pairs/faster_rcnn_r18_8th_bccd.py'
seeds = [0, 1, 2]
record = '../../docs/studies/recipe_bccd_8th.json'
