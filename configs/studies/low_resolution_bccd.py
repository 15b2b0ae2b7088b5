"""BCCD, ``train`` to ``test``: a student at half the resolution of a teacher of its own network.

python tools/compare.py configs/studies/low_resolution_bccd.py --teacher-checkpoint PATH
The three ways of low-resolution transfer (docs/methods/low_resolution.md): the teacher's weights to
start from, its probabilities, both.
"""

teacher = dict(config='../teachers/faster_rcnn_r18_half_bccd.py')
student = dict(config='../students/faster_rcnn_r18_half_bccd_128x96.py')
cfg_options = {
    'train_dataloader.dataset.ann_file': 'ImageSets/Main/train.txt',
    'val_evaluator.iou_thrs': [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
}
scales = dict(student_scale=0.5, pairing='shift')
start = ['backbone', 'neck', 'rpn_head', 'roi_head']
kd = dict(type='mmkd.KD', on=['roi_head'], temperature=4.0, alpha=0.5)
methods = dict(
    kt=dict(
        title="from the teacher's weights",
        methods=[dict(kd, loss_weight=0)],
        inherit=start,
        **scales,
    ),
    kd=dict(title="the teacher's probabilities", methods=[kd], **scales),
    kt_kd=dict(title='both', methods=[kd], inherit=start, **scales),
)
del scales, start, kd
seeds = [0, 1]
metric = 'pascal_voc/mAP_mean'
record = '../../docs/studies/low_resolution_bccd.json'
