"""Small seeded batches in the form that MMDetection's data preprocessors expect."""

from collections.abc import Sequence

import torch
from torch import Tensor


def random_boxes(num: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Boxes inside an image, (num, 4), xyxy in pixels; sides of at least a quarter of the image's.

    The lower bound keeps every box large enough to be matched by an anchor of the tiny detectors.
    """
    size = 0.25 + 0.35 * torch.rand(num, 2, generator=generator)
    corner = torch.rand(num, 2, generator=generator) * (1 - size)
    scale = torch.tensor([width, height], dtype=torch.float32)
    return torch.cat([corner * scale, (corner + size) * scale], dim=1)


def demo_batch(
    sizes: Sequence[tuple[int, int]] = ((64, 96), (96, 64)),
    num_boxes: Sequence[int] = (2, 3),
    num_classes: int = 3,
    seed: int = 0,
) -> dict:
    """Noise images with ground truth, ``dict(inputs=[...], data_samples=[DetDataSample...])``.

    Args:
        sizes: (height, width) in pixels, one an image.
        num_boxes: Boxes of each image, >= 0.
        num_classes: Labels are drawn from [0, num_classes).
        seed: The same seed gives the same batch; no global random state is touched.

    Returns:
        ``inputs``: uint8 images (3, H, W), BGR. ``data_samples``: ``gt_instances`` with
        ``bboxes`` (HorizontalBoxes, xyxy pixels of the image) and ``labels``, empty
        ``ignored_instances``, and the metas that PackDetInputs writes.

    Raises:
        ValueError: ``sizes`` and ``num_boxes`` differ in length.
    """
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmengine.structures import InstanceData

    if len(sizes) != len(num_boxes):
        raise ValueError(f'sizes has {len(sizes)} images, num_boxes {len(num_boxes)}.')
    generator = torch.Generator().manual_seed(seed)

    def instances(num: int, height: int, width: int) -> InstanceData:
        return InstanceData(
            bboxes=HorizontalBoxes(
                random_boxes(num, height, width, generator), dtype=torch.float32
            ),
            labels=torch.randint(num_classes, (num,), generator=generator),
        )

    inputs, samples = [], []
    for index, ((height, width), num) in enumerate(zip(sizes, num_boxes, strict=True)):
        shape = (3, height, width)
        inputs.append(torch.randint(256, shape, generator=generator, dtype=torch.uint8))
        sample = DetDataSample(
            metainfo=dict(
                img_id=index,
                img_path=f'{index}.png',
                img_shape=(height, width),
                ori_shape=(height, width),
                scale_factor=(1.0, 1.0),
                flip=False,
                flip_direction=None,
            )
        )
        sample.gt_instances = instances(num, height, width)
        sample.ignored_instances = instances(0, height, width)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
