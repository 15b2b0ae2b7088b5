"""The detection challenge of ImageNet (ILSVRC DET) in its own folders.

Convention: its files count pixels from 0 and name classes by WordNet id. Both are brought to VOC's
before :class:`mmkd.datasets.VOCFolderDataset` reads them, so records are 0-based and inclusive.
"""

import os
from typing import Any

from mmengine.logging import print_log

from mmkd.utils.types import Entries

from ..registry import DATASETS
from ..settings import check_choice
from ..utils.errors import UserError
from .ilsvrc_classes import ILSVRC_CLASSES
from .voc_annotation import VOCAnnotation, parse_voc
from .voc_folder import VOCFolderDataset


@DATASETS.register_module()
class ILSVRCDETDataset(VOCFolderDataset):
    """Reads ``Annotations/DET``, ``Data/DET`` and ``ImageSets/DET``; 200 classes.

    Training images of the challenge that only say which class is absent have no annotation file;
    ``unannotated='skip'`` leaves them out and logs how many.

    Args:
        data_root: The folder ``ILSVRC`` that holds the three.
        ann_file: List file, relative to it: an image, and a number that is not read, a line.
        subset: Folder below ``Annotations/DET`` and ``Data/DET``: ``'train'`` or ``'val'``.
        metainfo: ``classes``, where not all 200 are wanted; the others are left out.
        unannotated: What an image without an annotation file is: ``'raise'`` or ``'skip'``.
        bad_boxes: As in VOCFolderDataset; some boxes of the challenge end a pixel outside.
        empty_images: As in VOCFolderDataset; some images of the challenge have no object.
        **kwargs: Other arguments of VOCFolderDataset.

    Raises:
        ValueError: An option has no such value, a class is none of the 200, or files are wrong.
        FileNotFoundError: The folder or the list file does not exist.
    """

    METAINFO: dict = dict(dataset_type=None, classes=tuple(ILSVRC_CLASSES.values()))

    def __init__(
        self,
        *,
        data_root: str,
        ann_file: str = 'ImageSets/DET/val.txt',
        subset: str = 'val',
        metainfo: Entries | None = None,
        unannotated: str = 'raise',
        bad_boxes: str = 'clip',
        empty_images: str = 'keep',
        **kwargs: Any,
    ) -> None:
        check_choice('unannotated', unannotated, ('raise', 'skip'))
        for fixed in ('img_suffix', 'img_subdir', 'ann_subdir', 'ignore_classes'):
            if fixed in kwargs:
                raise UserError(
                    f'{fixed}={kwargs.get(fixed)!r} is fixed by the layout of ILSVRC: take it out '
                    '(subset and metainfo choose folder and classes), or use VOCFolderDataset.'
                )
        classes = tuple((metainfo or {}).get('classes', ILSVRC_CLASSES.values()))
        unknown = [name for name in classes if name not in ILSVRC_CLASSES.values()]
        if unknown:
            raise UserError(
                f'classes has {unknown[:5]}, none of the 200 of the challenge: take names of '
                'mmkd.datasets.ILSVRC_CLASSES.'
            )
        self.unannotated, self._skipped = unannotated, 0
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo={**(metainfo or {}), 'classes': classes},
            img_suffix='.JPEG',
            img_subdir=os.path.join('Data', 'DET', subset),
            ann_subdir=os.path.join('Annotations', 'DET', subset),
            ignore_classes=[name for name in ILSVRC_CLASSES.values() if name not in classes],
            bad_boxes=bad_boxes,
            empty_images=empty_images,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """VOCFolderDataset's, and the count of what was left out."""
        records = super().load_data_list()
        if self._skipped:
            print_log(
                f'{self.ann_file}: {self._skipped} images have no annotation file and are left out',
                logger='current',
                level=30,
            )
        return records

    def _load_image(self, image_id: str) -> dict | None:
        """The record of a line's image; the number behind its name is not read."""
        name = image_id.split()[0]
        path = os.path.join(self.sub_data_root, self.ann_subdir, f'{name}.xml')
        if self.unannotated == 'skip' and not self._there(path):
            self._skipped += 1
            return None
        return super()._load_image(name)

    def _annotation(self, content: bytes) -> VOCAnnotation:
        """Name the classes and count from 1, as VOC does."""
        annotation = parse_voc(content, ignore=self.ignore_classes, names=ILSVRC_CLASSES)
        for index, one in enumerate(annotation.objects):
            x1, y1, x2, y2 = one.box
            annotation.objects[index] = one._replace(box=(x1 + 1, y1 + 1, x2 + 1, y2 + 1))
        return annotation
