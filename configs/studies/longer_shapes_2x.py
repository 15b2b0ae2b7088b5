"""Shapes, twice the schedule of recipe_shapes.py: does the gain last?

python tools/compare.py configs/studies/longer_shapes_2x.py --teacher-checkpoint PATH
"""

_base_ = './recipe_shapes.py'
seeds = [0, 1, 2]
max_epochs = 14
record = '../../docs/studies/longer_shapes_2x.json'
