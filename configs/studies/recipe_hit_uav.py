"""HIT-UAV, ``train`` to ``test``: the recipe against the student alone, six paired seeds.

python tools/compare.py configs/studies/recipe_hit_uav.py --teacher-checkpoint PATH
Nothing was chosen on this set: the recipe is as BCCD's ``val`` left it. The teacher has seen
neither ``val`` nor ``test``; without a checkpoint it is trained first. The headline is the mean
over IoU 0.5 to 0.95; ``--metric coco/bbox_mAP_50 --collect`` gives the table at 0.5.
"""

pair = '../pairs/faster_rcnn_r18_16th_hit_uav.py'
cfg_options = {
    'val_dataloader.dataset.ann_file': 'annotations/test.json',
    'val_evaluator.ann_file': 'data/hit_uav/annotations/test.json',
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2, 3, 4, 5]
metric = 'coco/bbox_mAP'
record = '../../docs/studies/recipe_hit_uav.json'
