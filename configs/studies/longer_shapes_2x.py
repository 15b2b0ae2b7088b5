"""Shapes, 2 times the schedule of recipe_shapes.py: does the gain last?

python tools/compare.py configs/studies/longer_shapes_2x.py --teacher-checkpoint PATH
The data, the teacher and the images reported on are those of recipe_shapes.py.
"""

pair = '../pairs/faster_rcnn_r18_16th_shapes.py'
cfg_options = {
    'val_dataloader.dataset.data_root': 'data/shapes_test',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
methods = dict(recipe=dict(title='recipe', methods=[dict(type='mmkd.Recipe')]))
seeds = [0, 1, 2]
max_epochs = 14
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/longer_shapes_2x.json'
