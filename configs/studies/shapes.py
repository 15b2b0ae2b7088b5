"""Shapes: the thin student alone, with whole-map hints, and with FGFI, over three seeds.

python tools/compare.py configs/studies/shapes.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first.
"""

teacher = dict(config='../teachers/faster_rcnn_r18_shapes.py')
student = dict(config='../students/faster_rcnn_r18thin_shapes.py')
methods = dict(
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint')]),
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')]),
)
seeds = [0, 1, 2]
