"""BCCD: a very thin R-FCN under a Faster R-CNN.

python tools/compare.py configs/studies/rfcn_crossed_bccd.py --teacher-checkpoint PATH
Levels pair the RoI head's map, of stride 4, with the pyramid's first.
"""

pair = '../pairs/rfcn_r18_16th_faster_rcnn_bccd.py'
methods = dict(
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI', levels=[[1, 0]])]),
    hint=dict(title='whole-map hint', methods=[dict(type='mmkd.Hint', levels=[[1, 0]])]),
    chen2017=dict(
        title='Chen 2017, RCN and hint',
        methods=[dict(type='mmkd.Chen2017', on='roi_head', hint=dict(levels=[[1, 0]]))],
    ),
)
seeds = [0]
