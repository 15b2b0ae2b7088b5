"""Test-time augmentation for configs that set none: MMDetection's defaults."""

import copy

from mmengine.config import Config, ConfigDict

_FLIPS = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
_METAS = (
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'flip_direction',
)


def use_test_time_augmentation(cfg: Config) -> None:
    """Wraps the model and replaces the test pipeline, in place.

    ``tta_model`` and ``tta_pipeline`` of the config are used where it has them. The default sees
    each image as it is and flipped, and merges the boxes by NMS at IoU 0.5, 100 an image.
    """
    model = cfg.get('tta_model') or dict(
        type='DetTTAModel',
        tta_cfg=dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=100),
    )
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    pipeline = cfg.get('tta_pipeline')
    if pipeline is None:
        pack = dict(type='PackDetInputs', meta_keys=_METAS)
        augment = dict(type='TestTimeAug', transforms=[_FLIPS, [pack]])
        pipeline = [*copy.deepcopy(dataset.pipeline[:-1]), augment]
    cfg.model = ConfigDict(**model, module=cfg.model)
    dataset.pipeline = pipeline
