"""BCCD, ``train`` to ``test``: the methods of papers on classification and faces, two seeds each.

python tools/compare.py configs/studies/ten_methods_bccd.py --teacher-checkpoint PATH
Settings are the methods' own defaults, FitNets' those of its config; nothing was chosen. Schedule,
teacher and student are those of recipe_bccd.py. The channels of neuron selection come from
``tools/select_neurons.py configs/pairs/faster_rcnn_r18_16th_bccd.py --method hint``; the path
counts from the repository's root. Low resolution
has another student, of half the image size, and FSP needs a student of the teacher's channels:
neither is here.
"""

_base_ = './recipe_bccd.py'
methods = dict(
    _delete_=True,
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')]),
    kd=dict(title='KD', methods=[dict(type='mmkd.KD')]),
    fitnets=dict(
        title='FitNets',
        methods=[
            dict(type='mmkd.FitNets'),
            dict(
                type='mmkd.KD',
                temperature=3.0,
                alpha=0.0,
                loss_weight=dict(type='linear', start=4 / 9, stop=1 / 9, begin=2),
            ),
        ],
        stages=[dict(methods=['fitnets'], epochs=2, task=False), dict(methods=['kd'])],
    ),
    attention_transfer=dict(
        title='attention transfer', methods=[dict(type='mmkd.AttentionTransfer')]
    ),
    nst=dict(title='NST', methods=[dict(type='mmkd.NST')]),
    dark_rank=dict(title='DarkRank', methods=[dict(type='mmkd.DarkRank')]),
    rkd=dict(title='RKD', methods=[dict(type='mmkd.RKD')]),
    neuron_selection=dict(
        title='neuron selection',
        methods=[
            dict(
                type='mmkd.NeuronSelection',
                channels='configs/studies/ten_methods_bccd_channels.json',
            )
        ],
    ),
    triplet_distillation=dict(
        title='triplet distillation', methods=[dict(type='mmkd.TripletDistillation')]
    ),
)
seeds = [0, 1]
record = '../../docs/studies/ten_methods_bccd.json'
