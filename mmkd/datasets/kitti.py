"""The KITTI object benchmark in its own folders.

Convention: boxes are xyxy, 0-based float pixels with ``x2 - x1`` as the width, in files, records
and in :class:`mmkd.evaluation.KITTIMetric` alike.
"""

import os
from collections.abc import Mapping, Sequence

from mmdet.datasets import BaseDetDataset
from mmengine.fileio import get_local_path

from mmkd.utils.types import Entries

from ..registry import DATASETS
from ..settings import check_keys
from ..utils.errors import UserError
from .findings import Findings, ReadsSplit
from .images import read_header, without_pixel_limit
from .kitti_labels import KITTI_NEIGHBOURS, KITTI_TYPES, KITTIObject, parse_kitti_labels
from .reading import read_lines, read_text

DONT_CARE = 'DontCare'


@DATASETS.register_module()
class KITTIDataset(ReadsSplit, BaseDetDataset):
    """Reads ``image_2`` and ``label_2`` of the frames that a split file lists.

    Objects of ``classes`` are labelled. Neighbours (Van beside Car, Person_sitting beside
    Pedestrian) become ignored boxes with the label of their class, DontCare regions ignored boxes
    with label -1; other types are background, as in the benchmark. A detector trains around ignored
    boxes where its assigners set ``ignore_iof_thr``, as the KITTI configs do. Each instance keeps
    ``type``, ``truncation``, ``occlusion`` and ``height`` beside MMDetection's keys; the metric
    reads them from the data sample, so ``PackDetInputs`` needs ``'instances'`` in ``meta_keys``.

    Args:
        data_root: Folder that holds the others.
        ann_file: Split file, relative to ``data_root``: one frame (``000123``) a line.
        metainfo: ``classes``, where not all three of the benchmark are wanted.
        data_prefix: Folders of images (``img``) and labels (``label``) below ``data_root``.
        img_suffix: Suffix of the images.
        neighbours: Types ignored beside each class.
        with_labels: False for the test set, whose labels are not public.
        **kwargs: Arguments of MMDetection's ``BaseDetDataset`` (``pipeline``, ``filter_cfg``, ...).

    Raises:
        FileNotFoundError: The split file does not exist.
        ValueError: A class, neighbour, folder or filter is unknown, no frame is left, or files are
            missing or wrong; up to ten are listed.
    """

    METAINFO: dict = dict(
        classes=('Car', 'Pedestrian', 'Cyclist'),
        palette=[(220, 20, 60), (119, 170, 32), (0, 60, 230)],
    )
    FILTER_KEYS = ('filter_empty_gt', 'min_size')

    def __init__(
        self,
        *,
        data_root: str,
        ann_file: str = 'ImageSets/train.txt',
        metainfo: Entries | None = None,
        data_prefix: dict[str, str] | None = None,
        img_suffix: str = '.png',
        neighbours: Mapping[str, Sequence[str]] = KITTI_NEIGHBOURS,
        with_labels: bool = True,
        **kwargs: object,
    ) -> None:
        check_keys('filter_cfg', kwargs.get('filter_cfg'), self.FILTER_KEYS)
        self.img_suffix, self.with_labels = img_suffix, with_labels
        classes = (metainfo or {}).get('classes', self.METAINFO['classes'])
        self._roles = _roles(tuple(classes), neighbours)
        folders = dict(img='training/image_2', label='training/label_2')
        unknown = set(data_prefix or ()) - set(folders)
        if unknown:
            raise UserError(f'data_prefix has {sorted(unknown)}: its keys are {tuple(folders)}.')
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo=metainfo,
            data_prefix={**folders, **(data_prefix or {})},
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the image size and the labels of every frame, as MMDetection's records."""
        where = 'docs/datasets.md says where the usual splits are'
        self._refuse_absent(f'write the frames of the split into it, one a line ({where})')
        frames, findings = read_lines(self.ann_file, self.backend_args), Findings(self.ann_file)
        with without_pixel_limit():
            records = [self._load_frame(frame, findings) for frame in frames]
        findings.raise_problems()
        return [record for record in records if record is not None]

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg`` (``filter_empty_gt``, ``min_size``) outside ``test_mode``.

        With ``filter_empty_gt`` a frame needs a box that is not ignored. No frame left is an error.
        """
        cfg = {} if self.test_mode else self.filter_cfg or {}
        kept = [
            info
            for info in self.data_list
            if min(info['width'], info['height']) >= cfg.get('min_size', 0)
            and not (
                cfg.get('filter_empty_gt', False)
                and all(instance['ignore_flag'] for instance in info['instances'])
            )
        ]
        return self._refuse_none(kept, 'frame')

    def _load_frame(self, frame: str, findings: Findings) -> dict | None:
        """The record of one frame, or None where a problem was noted."""
        image = os.path.join(self.data_prefix['img'], frame + self.img_suffix)
        labels = os.path.join(self.data_prefix['label'], f'{frame}.txt')
        needed = [image, labels] if self.with_labels else [image]
        if findings.absent(needed, self._there, 'frame'):
            return None
        try:
            with get_local_path(image, backend_args=self.backend_args) as local:
                width, height = read_header(local).size
        except ValueError as error:
            findings.problem(image, str(error), 'copy it anew')
            return None
        instances = self._instances(labels, findings) if self.with_labels else []
        return dict(img_id=frame, img_path=image, width=width, height=height, instances=instances)

    def _instances(self, path: str, findings: Findings) -> list[dict]:
        try:
            text = read_text(path, self.backend_args)
            objects = [thing for thing in parse_kitti_labels(text) if thing.type in self._roles]
        except ValueError as error:
            findings.problem(path, str(error), 'write the file anew')
            return []
        for thing in objects:
            if thing.box[2] <= thing.box[0] or thing.box[3] <= thing.box[1]:
                findings.problem(path, f'{thing.type} box {thing.box} has no area', 'correct it')
        return [self._instance(thing) for thing in objects]

    def _instance(self, thing: KITTIObject) -> dict:
        label, ignored = self._roles[thing.type]
        kept = ('type', 'truncation', 'occlusion', 'height')
        return dict(
            bbox=list(thing.box),
            bbox_label=label,
            ignore_flag=int(ignored),
            **{name: getattr(thing, name) for name in kept},
        )


def _roles(
    classes: Sequence[str], neighbours: Mapping[str, Sequence[str]]
) -> dict[str, tuple[int, bool]]:
    """Type -> (label, whether it is ignored)."""
    objects = KITTI_TYPES[:-1]  # all but DontCare
    unknown = [name for name in classes if name not in objects]
    if unknown:
        raise UserError(
            f'classes={tuple(classes)}: {unknown} are no objects of KITTI; its types are {objects}.'
        )
    for name in neighbours:
        if name not in objects:
            raise UserError(f'neighbours has {name!r}, no type of KITTI: its types are {objects}.')
    roles = {DONT_CARE: (-1, True)}
    for label, name in enumerate(classes):
        for other in neighbours.get(name, ()):
            if other in classes:
                continue  # a class of its own here
            if other not in objects:
                raise UserError(f'neighbours[{name!r}]: {other!r} is not a type of KITTI.')
            roles[other] = (label, True)
    return {**roles, **{name: (label, False) for label, name in enumerate(classes)}}


def kitti_to_coco(dataset: KITTIDataset) -> dict:
    """The annotations of one split as COCO's dictionary.

    What KITTI ignores becomes a crowd: COCO's evaluation compares a detection with a crowd by the
    share of the detection's own area, as KITTI does with DontCare. A neighbour (Van) is a crowd of
    its class; a DontCare region, which has no class, one of every class. Annotations keep ``type``,
    ``truncation`` and ``occlusion``; COCO's metric does not read them, so its numbers are not those
    of the benchmark.

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
        sides = {side: info[side] for side in ('width', 'height')}
        images.append(dict(id=image_id, file_name=os.path.basename(info['img_path']), **sides))
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
            **{key: instance[key] for key in ('type', 'truncation', 'occlusion')},
        )
        for number, label in enumerate(labels)
    ]
