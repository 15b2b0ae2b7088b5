"""WIDER FACE in MMDetection's layout, evaluated as the benchmark does: easy, medium, hard.

data/WIDERFace/ground_truth holds the four .mat files of the benchmark's eval_tools;
docs/datasets.md says where all of it comes from.
"""

_base_ = 'mmdet::_base_/datasets/wider_face.py'
# Workers are started anew every epoch, so that their random state is a function of seed and epoch.
train_dataloader = dict(persistent_workers=False)
val_dataloader = dict(persistent_workers=False)
test_dataloader = dict(persistent_workers=False)

val_evaluator = dict(
    _delete_=True, type='mmkd.WIDERFaceMetric', ground_truth='data/WIDERFace/ground_truth'
)
test_evaluator = val_evaluator
