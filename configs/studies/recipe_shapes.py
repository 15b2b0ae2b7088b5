"""Shapes: the recipe against the student alone, six paired seeds, on images drawn afresh.

python tools/dataset_converters/make_shapes.py data/shapes
python tools/dataset_converters/make_shapes.py data/shapes_test --train 1 --val 200 --seed 1
python tools/compare.py configs/studies/recipe_shapes.py --teacher-checkpoint PATH
The headline is the mean over IoU 0.5 to 0.95; ``--metric pascal_voc/mAP --collect`` gives the table
at 0.5. Without a checkpoint the teacher is trained first.
"""

pair = '../pairs/faster_rcnn_r18_16th_shapes.py'
cfg_options = {
    'val_dataloader.dataset.data_root': 'data/shapes_test',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2, 3, 4, 5]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/recipe_shapes.json'
