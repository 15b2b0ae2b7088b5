"""BCCD, ``train`` to ``test``: a thin RetinaNet under FGFI and the methods that came later.

python tools/compare.py configs/studies/later_retinanet_bccd.py
Weights are each method's defaults, or of PKD, MGD and FGD what their authors take for one-stage
detectors with anchors.
All arms but two were named before the first run: FGFI with DIST, and the recipe, which is DIST here
since these runs (docs/results.md). --seeds 0 1 2 --arms student dist runs what an interval needs.
"""

pair = '../pairs/retinanet_r18_16th_bccd.py'
cfg_options = {
    'train_dataloader.dataset.ann_file': 'ImageSets/Main/train.txt',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(
    recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]),
    fgfi=dict(
        title='FGFI, its weight found',
        methods=[dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.7))],
    ),
    cross_kd=dict(title='CrossKD', methods=[dict(type='mmkd.CrossKD', on='dense')]),
    dist=dict(title='DIST', methods=[dict(type='mmkd.DIST', on=['dense'])]),
    fgfi_dist=dict(
        title='FGFI, its weight found, and DIST',
        methods=[
            dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.7)),
            dict(type='mmkd.DIST', on=['dense']),
        ],
    ),
    pkd=dict(title='PKD', methods=[dict(type='mmkd.Imitation', loss_weight=10.0)]),
    cwd=dict(title='CWD', methods=[dict(type='mmkd.CWD')]),
    mgd=dict(title='MGD', methods=[dict(type='mmkd.MGD', loss_weight=2e-5, drop=0.65)]),
    fgd=dict(
        title='FGD',
        methods=[dict(type='mmkd.FGD', alpha=1e-3, beta=5e-4, gamma=1e-3, relation=5e-6)],
    ),
)
# A third of the schedule of the other studies, to fit three quarters of an hour on a core.
max_epochs = 4
teacher = dict(max_epochs=8)
seeds = [0]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/later_retinanet_bccd.json'
