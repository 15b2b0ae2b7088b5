"""BCCD, ``train`` to ``test``: a thin GFL under FGFI and the methods that came later.

python tools/compare.py configs/studies/later_gfl_bccd.py
As later_retinanet_bccd.py, longer, and with LD, which needs distributions of edges.
--seeds 0 1 2 --arms student fgfi cross_kd runs what an interval needs.
"""

_base_ = './later_retinanet_bccd.py'
pair = '../pairs/gfl_r18_16th_bccd.py'
methods = dict(ld=dict(title='LD', methods=[dict(type='mmkd.LD')]))
max_epochs = 8  # two thirds of the schedule of the other studies, to fit an hour on a core
teacher = dict(max_epochs=16)
record = '../../docs/studies/later_gfl_bccd.json'
