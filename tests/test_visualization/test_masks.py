from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torchvision.ops import box_iou

from mmkd.datasets import draw_shapes
from mmkd.datasets.shapes import ShapesConfig
from mmkd.visualization import build_imitator, imitation_dataset, imitation_masks

CONFIGS = Path(__file__).parents[2] / 'configs'
SIZE = (128, 96)


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp('shapes') / 'set'
    draw_shapes(root, ShapesConfig(train=3, val=2))
    return root


def config_of(data_root, **options):
    config = Config.fromfile(CONFIGS / 'fgfi_faster_rcnn_r18_16th_shapes.py')
    for split in ('train', 'val'):
        config[f'{split}_dataloader'].dataset.data_root = str(data_root)
        for step in config[f'{split}_dataloader'].dataset.pipeline:
            if step.type == 'Resize':
                step.scale = SIZE
    config.merge_from_dict(options)
    return config


def naive_masks(boxes, anchors, sizes, psi=0.5):
    """Wang et al., section 3.2, the best IoU over all levels: box by box."""
    masks = [torch.zeros(size, dtype=torch.bool) for size in sizes]
    for box in torch.as_tensor(boxes):
        ious = [box_iou(box[None], level)[0].view(*size, -1).amax(-1)
                for level, size in zip(anchors, sizes, strict=True)]  # fmt: skip
        best = max(level.max() for level in ious)
        masks = [mask | (level > psi * best) for mask, level in zip(masks, ious, strict=True)]
    return masks


@pytest.mark.parametrize('split, count', [('train', 3), ('val', 2)])
def test_masks_are_those_of_the_paper_on_the_students_anchors(data_root, split, count):
    config = config_of(data_root)
    config.model.methods = [dict(type='mmkd.FGFI', max_over='all')]
    model, method = build_imitator(config)
    dataset = imitation_dataset(config, split)
    images = list(imitation_masks(model, method, dataset, range(count)))
    sizes = [(24, 32), (12, 16), (6, 8), (3, 4)]
    anchors = model.student.rpn_head.prior_generator.grid_priors(sizes, device='cpu')
    for image in images:
        assert image.image.shape == (96, 128, 3) and image.strides == [4, 8, 16, 32]
        assert any(mask.any() for mask in image.masks)
        expected = naive_masks(image.gt_bboxes, anchors, sizes)
        for mask, other in zip(image.masks, expected, strict=True):
            np.testing.assert_array_equal(mask, other.numpy())


def test_boxes_of_the_val_split_lie_on_the_resized_image(data_root):
    config = config_of(data_root)
    config.train_dataloader.dataset.pipeline = [
        step for step in config.train_dataloader.dataset.pipeline if step.type != 'RandomFlip'
    ]
    model, method = build_imitator(config)
    dataset = imitation_dataset(config, 'val')
    shown = next(imitation_masks(model, method, dataset, [0]))
    instances = dataset.get_data_info(0)['instances']
    original = np.array([entry['bbox'] for entry in instances if not entry['ignore_flag']])
    np.testing.assert_allclose(shown.gt_bboxes, original / 2, atol=1e-4)


def test_the_image_is_rgb(data_root):
    config = config_of(data_root)
    model, method = build_imitator(config)
    dataset = imitation_dataset(config, 'train')
    item = dataset[0]
    shown = next(imitation_masks(model, method, [item], [0]))
    np.testing.assert_array_equal(shown.image[..., 0], item['inputs'][2].numpy())


def test_a_method_of_weight_zero_still_shows_its_mask(data_root):
    config = config_of(data_root)
    config.model.methods[0].loss_weight = 0.0
    model, method = build_imitator(config)
    shown = next(imitation_masks(model, method, imitation_dataset(config, 'train'), [0]))
    assert len(shown.masks) == 4


def test_a_plain_config_is_refused():
    config = Config.fromfile(CONFIGS / 'students/faster_rcnn_r18_16th_shapes.py')
    with pytest.raises(ValueError, match='which has no teacher: name a distillation config'):
        build_imitator(config)


def test_of_two_masks_one_must_be_chosen(data_root):
    config = config_of(data_root)
    config.model.methods = [dict(type='mmkd.FGFI'), dict(type='mmkd.FGFI', name='second')]
    with pytest.raises(ValueError, match=r"choose one of \['fgfi', 'second'\]"):
        build_imitator(config)
    assert build_imitator(config, 'second')[1].name == 'second'
    with pytest.raises(ValueError, match=r"'third' has no mask"):
        build_imitator(config, 'third')
