"""BCCD, ``train`` to ``test``: the recipe on a student of a quarter of the teacher's width.

python tools/compare.py configs/studies/recipe_bccd_8th.py --teacher-checkpoint PATH
As recipe_bccd.py, whose student has an eighth, with three paired seeds.
"""

pair = '../pairs/faster_rcnn_r18_8th_bccd.py'
cfg_options = {
    'train_dataloader.dataset.ann_file': 'ImageSets/Main/train.txt',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/recipe_bccd_8th.json'
