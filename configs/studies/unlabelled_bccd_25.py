"""BCCD, 25 % of the labels of ``train``, to ``test``: what do the other images add?

python tools/compare.py configs/studies/unlabelled_bccd_25.py --teacher-checkpoint PATH
As unlabelled_bccd_10.py, with labels for 51 of 205 images.
"""

_base_ = './unlabelled_bccd_10.py'
student = dict(cfg_options={'train_dataloader.dataset': dict(times=4, dataset=dict(indices=51))})
methods = dict(
    unlabelled=dict(
        cfg_options={
            'train_dataloader.dataset': dict(labelled=dict(times=2, dataset=dict(indices=51)))
        }
    )
)
record = '../../docs/studies/unlabelled_bccd_25.json'
