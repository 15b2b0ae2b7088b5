"""BCCD, ``train`` to ``test``: the recipe against the student alone, six paired seeds.

python tools/compare.py configs/studies/recipe_bccd.py --teacher-checkpoint PATH
The recipe was chosen on ``val`` by search_bccd.py, whose teacher has seen neither ``val`` nor
``test``; without a checkpoint it is trained again. The headline is the mean over IoU 0.5 to 0.95;
``--metric pascal_voc/mAP --collect`` gives the table at 0.5.
"""

pair = '../pairs/faster_rcnn_r18_16th_bccd.py'
cfg_options = {
    'train_dataloader.dataset.ann_file': 'ImageSets/Main/train.txt',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2, 3, 4, 5]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/recipe_bccd.json'
