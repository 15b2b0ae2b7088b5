"""BCCD, blood cells under the microscope: https://github.com/Shenggan/BCCD_Dataset (MIT).

292 images of trainval, 72 of test. To choose settings, train on ``train.txt`` and look at
``val.txt``: --cfg-options train_dataloader.dataset.ann_file=ImageSets/Main/train.txt and
val_dataloader.dataset.ann_file=ImageSets/Main/val.txt.
"""

_base_ = './voc_folder_256x192.py'
# Two images of the set carry a box without area.
bccd = dict(
    data_root='data/BCCD', metainfo=dict(classes=('RBC', 'WBC', 'Platelets')), bad_boxes='drop'
)
train_dataloader = dict(dataset=dict(ann_file='ImageSets/Main/trainval.txt', **bccd))
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Main/test.txt', **bccd))
test_dataloader = val_dataloader
