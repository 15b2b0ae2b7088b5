"""KITTI's labels in COCO's format."""

import os

from .kitti import KITTIDataset


def kitti_to_coco(dataset: KITTIDataset) -> dict:
    """The annotations of one split as COCO's dictionary.

    What KITTI ignores becomes a crowd: COCO's evaluation compares a detection with a crowd by the
    share of the detection's own area, as KITTI does with DontCare. A neighbour (Van) is a crowd of
    its class; a DontCare region, which has no class, one of every class. Annotations keep ``type``,
    ``truncation`` and ``occlusion``; COCO's metric does not read them, so its numbers are not those
    of the benchmark.

    Args:
        dataset: The split.

    Returns:
        ``images`` (file names relative to the image folder), ``annotations`` (xywh pixels, float)
        and ``categories`` (ids from 1).
    """
    categories = [dict(id=i, name=name) for i, name in enumerate(dataset.metainfo['classes'], 1)]
    images: list[dict] = []
    annotations: list[dict] = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        frame = info['img_id']
        image_id = int(frame) if frame.isdigit() else index
        images.append(
            dict(
                id=image_id,
                file_name=os.path.basename(info['img_path']),
                width=info['width'],
                height=info['height'],
            )
        )
        for instance in info['instances']:
            annotations += _annotations(instance, image_id, len(categories), len(annotations))
    return dict(images=images, annotations=annotations, categories=categories)


def _annotations(instance: dict, image_id: int, classes: int, written: int) -> list[dict]:
    """One box's entries: one, or one a class for a DontCare region."""
    x1, y1, x2, y2 = instance['bbox']
    label = instance['bbox_label']
    labels = range(classes) if label < 0 else [label]
    return [
        dict(
            id=written + 1 + number,
            image_id=image_id,
            category_id=label + 1,
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            iscrowd=instance['ignore_flag'],
            type=instance['type'],
            truncation=instance['truncation'],
            occlusion=instance['occlusion'],
        )
        for number, label in enumerate(labels)
    ]
