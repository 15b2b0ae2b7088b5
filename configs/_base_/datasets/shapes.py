"""The built-in set: python tools/dataset_converters/make_shapes.py data/shapes."""

_base_ = './voc_folder_256x192.py'
classes = (
    'disc',
    'square',
    'triangle',
    'ring',
    'frame',
    'hollow_triangle',
    'star',
    'cross',
    'letter_b',
    'digit_8',
)
shapes = dict(data_root='data/shapes', metainfo=dict(classes=classes))
# Few images and few minutes: two a step learn more than four, as there are twice as many steps.
train_dataloader = dict(batch_size=2, dataset=dict(ann_file='ImageSets/Main/train.txt', **shapes))
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Main/val.txt', **shapes))
test_dataloader = val_dataloader
