"""BCCD, 25 % of the labels of ``train``, to ``test``: what do the other images add?

python tools/compare.py configs/studies/unlabelled_bccd_25.py --teacher-checkpoint PATH
The teacher is that of recipe_bccd.py, trained on all labels of ``train``. 51 of 205 images have
labels. They are gone through more often, so that every student makes the steps of a whole training
with batches of four; where images without labels take part, half of each batch is of them.
"""


def _bccd(**settings):
    return dict(
        type='mmkd.VOCFolderDataset',
        data_root='data/BCCD',
        metainfo=dict(classes=('RBC', 'WBC', 'Platelets')),
        bad_boxes='drop',
        ann_file='ImageSets/Main/train.txt',
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='Resize', scale=(256, 192), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
        **settings,
    )


def _repeated(times):
    labelled = _bccd(indices=51)
    return dict(type='RepeatDataset', times=times, dataset=labelled)


pair = '../pairs/faster_rcnn_r18_16th_bccd.py'
student = dict(cfg_options={'train_dataloader.dataset': dict(_delete_=True, **_repeated(4))})
cfg_options = {
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(
    recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]),
    unlabelled=dict(
        title='recipe, other images without labels',
        methods=[dict(type='mmkd.Recipe')],
        unlabelled=dict(score_thr=0.5, task_weight=1.0),
        cfg_options={
            'train_dataloader.sampler': dict(_delete_=True, type='mmkd.UnlabelledSampler'),
            'train_dataloader.dataset': dict(
                _delete_=True,
                type='mmkd.WithUnlabelled',
                labelled=_repeated(2),
                unlabelled=_bccd(),
                ratio=1,
            ),
        },
    ),
)
seeds = [0, 1]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/unlabelled_bccd_25.json'
