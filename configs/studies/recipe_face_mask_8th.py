"""Faces with and without mask: the recipe on a student of a quarter of the teacher's width.

python tools/compare.py configs/studies/recipe_face_mask_8th.py --teacher-checkpoint PATH
As recipe_face_mask.py, whose student has an eighth, with three paired seeds.
"""

_base_ = './recipe_face_mask.py'
pair = '../pairs/faster_rcnn_r18_8th_face_mask.py'
seeds = [0, 1, 2]
record = '../../docs/studies/recipe_face_mask_8th.json'
