"""BCCD: the ablation of Chen et al. 2017: baseline, each of its terms alone, and all of them.

python tools/compare.py configs/studies/chen2017_bccd.py --teacher-checkpoint PATH
Without a checkpoint the study trains the teacher first.
"""

teacher = dict(config='../teachers/faster_rcnn_r18_bccd.py')
student = dict(config='../students/faster_rcnn_r18thin_bccd.py')
methods = dict(
    soft=dict(
        title='+ soft classification',
        methods=[dict(type='mmkd.Chen2017', nu=0, gamma=0)],
        seeds=[0, 1],
    ),
    bounded=dict(
        title='+ bounded regression',
        methods=[dict(type='mmkd.Chen2017', mu=1, gamma=0)],
        seeds=[0, 1],
    ),
    hint=dict(
        title='+ hint',
        methods=[dict(type='mmkd.Chen2017', mu=1, nu=0)],
        seeds=[0, 1],
    ),
    all=dict(title='all of Chen 2017', methods=[dict(type='mmkd.Chen2017')]),
)
seeds = [0, 1, 2]
