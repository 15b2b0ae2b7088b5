"""Unlabelled images, the sampler that draws them and the setting that uses them come together."""

from mmengine.config import Config

from mmkd.utils.config_walk import datasets_of, type_name
from mmkd.utils.errors import UserError


def check_unlabelled(cfg: Config) -> None:
    """Refuses one of the three without the others, before anything is built.

    A run of MMDetection's own ``train.py`` refuses the same with its first batch, see
    :class:`mmkd.detectors.PseudoLabels`.

    Raises:
        UserError: Names the setting that is there, its value, and the one to add.
    """
    setting = (cfg.get('model') or {}).get('unlabelled')
    loader = cfg.get('train_dataloader') or {}
    sampler = loader.get('sampler') or {}
    sets = datasets_of(cfg, 'train')
    given = [place for place, part in sets if type_name(part) == 'WithUnlabelled']
    if given and setting is None:
        raise UserError(
            f'{given[0]}.type=mmkd.WithUnlabelled',
            'brings images without labels, and model.unlabelled, which has a teacher label them, '
            'is not set',
            'set model.unlabelled=dict(score_thr=0.5, task_weight=1) of a mmkd.DistillDetector, or '
            f'train on the labelled images alone: the config {given[0]}.labelled as {given[0]}',
        )
    if setting is not None and not given:
        raise UserError(
            f'model.unlabelled={dict(setting)}',
            'has a teacher label images, and train_dataloader.dataset has none without labels',
            "set train_dataloader.dataset=dict(type='mmkd.WithUnlabelled', labelled=..., "
            'unlabelled=..., ratio=1), or take model.unlabelled out',
        )
    if given and type_name(sampler) != 'UnlabelledSampler':
        raise UserError(
            f'train_dataloader.sampler.type={sampler.get("type")}',
            f'does not draw as {given[0]}.ratio says',
            "set train_dataloader.sampler=dict(type='mmkd.UnlabelledSampler')",
        )
