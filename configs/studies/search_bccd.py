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
    fgfi_cross_strong=dict(
        title='FGFI + CrossKD, three times',
        methods=[
            dict(type='mmkd.FGFI', loss_weight=0.03),
            dict(type='mmkd.CrossKD', loss_weight=3.0),
        ],
    ),
    fgfi_binary=dict(
        title='FGFI + BinaryKD where both agree',
        methods=[
            dict(type='mmkd.FGFI'),
            dict(type='mmkd.BinaryKD', on=['roi_head'], agreement='weighted'),
        ],
    ),
    pkd=dict(title='standardized features (PKD)', methods=[dict(type='mmkd.Imitation')]),
)
seeds = [0]
record = '../../docs/studies/search_bccd.json'
