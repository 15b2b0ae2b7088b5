"""BCCD, ``train`` to ``val``: which terms help a student of an eighth of the teacher's width?

python tools/compare.py configs/studies/search_bccd.py
A search: the teacher has not seen ``val``, and ``test`` is not looked at. One seed says little:
what looks best is to be run over more seeds, and once on ``test``.
"""

pair = '../pairs/faster_rcnn_r18_16th_bccd.py'
cfg_options = {
    'train_dataloader.dataset.ann_file': 'ImageSets/Main/train.txt',
    'val_dataloader.dataset.ann_file': 'ImageSets/Main/val.txt',
}
methods = dict(
    fgfi=dict(title='FGFI', methods=[dict(type='mmkd.FGFI')]),
    cross=dict(title='CrossKD on RoIs', methods=[dict(type='mmkd.CrossKD')]),
    fgfi_cross=dict(
        title='FGFI + CrossKD', methods=[dict(type='mmkd.FGFI'), dict(type='mmkd.CrossKD')]
    ),
    fgfi_strong=dict(title='FGFI, three times', methods=[dict(type='mmkd.FGFI', loss_weight=0.03)]),
    fgfi_cross_agreeing=dict(
        title='FGFI + CrossKD where both agree',
        methods=[dict(type='mmkd.FGFI'), dict(type='mmkd.CrossKD', agreement='only')],
    ),
    fgfi_auto=dict(
        title='FGFI, scaled to 0.7 of the task',
        methods=[dict(type='mmkd.FGFI', auto_scale=dict(fraction=0.7))],
    ),
)
seeds = [0]
record = '../../docs/studies/search_bccd.json'
