"""Faces with and without mask, the data's ``val.json`` as the test set: the recipe against alone.

python tools/compare.py configs/studies/recipe_face_mask.py --teacher-checkpoint PATH
Nothing was chosen on this set: the recipe is as BCCD's ``val`` left it. The teacher has seen
neither the images held out of ``train.json`` nor ``val.json``; without a checkpoint it is trained
first. The headline is the mean over IoU 0.5 to 0.95; ``--metric coco/bbox_mAP_50 --collect`` gives
the table at 0.5.
"""

pair = '../pairs/faster_rcnn_r18_16th_face_mask.py'
cfg_options = {
    'val_dataloader.dataset.ann_file': 'annotations/val.json',
    'val_dataloader.dataset.indices': None,
    'val_evaluator.ann_file': 'data/face_mask/annotations/val.json',
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2, 3, 4, 5]
metric = 'coco/bbox_mAP'
record = '../../docs/studies/recipe_face_mask.json'
