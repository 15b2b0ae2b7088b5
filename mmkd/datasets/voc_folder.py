"""Any folder in Pascal VOC layout, checked before training.

Convention: VOC boxes are 1-based and inclusive, so the smallest legal ``xmin`` is 1 and the largest
``xmax`` the image's width. MMDetection's ``XMLDataset`` truncates each number to an integer and
takes 1 from all four, so its boxes are 0-based and still inclusive (a box from pixel 1 to pixel 10
becomes ``[0, 9]``); :class:`mmkd.evaluation.VOCFolderMetric` measures them as such, with
``x2 - x1 + 1`` as the width.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import mmcv
from mmdet.datasets import XMLDataset
from mmengine.fileio import exists, get, list_from_file
from mmengine.logging import print_log

from ..registry import DATASETS
from ..settings import check_keys
from .shapes import check_drawing
from .voc_checks import Findings, check_objects


@DATASETS.register_module()
class VOCFolderDataset(XMLDataset):
    """Reads ``Annotations``, ``ImageSets/Main`` and ``JPEGImages`` with the user's own classes.

    MMDetection's ``XMLDataset`` skips unknown classes and trains on empty boxes without a word.
    This one refuses both when it is built, together with missing files and boxes outside their
    image, and lists what it found; each rule can be relaxed where the data is known to break it.
    Objects marked ``difficult`` become ignored boxes, as in the VOC devkit. A new data set is two
    lines in a config::

        _base_ = './_base_/datasets/voc_folder_256x192.py'
        train_dataloader = dict(dataset=dict(data_root='data/mine', metainfo=dict(classes=(...))))

    An image whose boxes were all dropped or of ignored classes stays, as background;
    ``filter_cfg=dict(filter_empty_gt=True)`` takes it out of training.

    Args:
        data_root: Folder that holds the three folders above.
        ann_file: Split file, relative to ``data_root``: one image id a line.
        metainfo: Must hold ``classes``, the names in the order of their labels.
        data_prefix: ``sub_data_root`` names a folder between ``data_root`` and the three.
        img_suffix: Suffix of the images.
        bad_boxes: What to do with a box that has no area or reaches outside its image: ``'raise'``,
            ``'drop'`` it, or ``'clip'`` it to the image and drop it only if nothing is left.
        empty_images: What to do with a file that lists no object at all: ``'raise'``, or ``'keep'``
            it as background.
        ignore_classes: Class names in the files to leave out.
        **kwargs: Arguments of MMDetection's ``XMLDataset`` (``pipeline``, ``filter_cfg``, ...).

    Raises:
        FileNotFoundError: ``data_root`` or ``ann_file`` does not exist.
        ValueError: An option or ``filter_cfg`` has no such value, ``classes`` is missing, no image
            is left, the files break a rule (up to ten breaches are listed), or the drawn set is of
            another version.
    """

    METAINFO = dict(dataset_type=None)
    FILTER_KEYS = ('filter_empty_gt', 'min_size', 'bbox_min_size')

    def __init__(
        self,
        *,
        data_root: str,
        ann_file: str = 'ImageSets/Main/train.txt',
        metainfo: dict[str, Any] | None = None,
        data_prefix: dict[str, str] | None = None,
        img_suffix: str = '.jpg',
        bad_boxes: str = 'raise',
        empty_images: str = 'raise',
        ignore_classes: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        _check_option('bad_boxes', bad_boxes, ('raise', 'drop', 'clip'))
        _check_option('empty_images', empty_images, ('raise', 'keep'))
        if isinstance(ignore_classes, str):
            raise ValueError(
                f'ignore_classes must be a sequence of names, got the string {ignore_classes!r}; '
                f'write ({ignore_classes!r},).'
            )
        if not (metainfo or {}).get('classes'):
            raise ValueError(
                'VOCFolderDataset needs the class names of the folder: set '
                "metainfo=dict(classes=('name', ...))."
            )
        check_keys('filter_cfg', kwargs.get('filter_cfg'), self.FILTER_KEYS)
        self.img_suffix = img_suffix
        self.bad_boxes = bad_boxes
        self.empty_images = empty_images
        self.ignore_classes = tuple(ignore_classes)
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo=metainfo,
            data_prefix=data_prefix or dict(sub_data_root=''),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read and check every file of the split.

        Returns:
            MMDetection's record of each image; boxes are xyxy, 0-based, inclusive pixels.

        Raises:
            FileNotFoundError: The folder or the split file does not exist.
            ValueError: Files break a rule.
        """
        self._require(self.data_root, 'data_root', 'correct the path or create the set there')
        check_drawing(self.data_root)
        self._require(self.ann_file, 'ann_file', 'correct the name or write the split')
        self.cat2label = {name: label for label, name in enumerate(self.metainfo['classes'])}
        lines = list_from_file(self.ann_file, backend_args=self.backend_args)
        self._findings = Findings(self.ann_file)
        records = [self._load_image(image_id) for image_id in map(str.strip, lines) if image_id]
        self._findings.raise_problems()
        if self._findings.dropped:
            print_log(self._findings.dropped_summary(), logger='current', level=30)
        return [record for record in records if record is not None]

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg``; no image left is an error, not an empty epoch."""
        kept = super().filter_data()
        if not kept:
            raise ValueError(
                f'No image is left of ann_file={self.ann_file!r} ({len(self.data_list)} listed, '
                f'filter_cfg={self.filter_cfg}): check the split file and filter_cfg.'
            )
        return kept

    def _load_image(self, image_id: str) -> dict | None:
        """The record of one image, or None where a missing or broken file was noted."""
        info = dict(
            img_id=image_id,
            file_name=os.path.join(self.img_subdir, image_id + self.img_suffix),
            xml_path=os.path.join(self.sub_data_root, self.ann_subdir, f'{image_id}.xml'),
        )
        image_path = os.path.join(self.sub_data_root, info['file_name'])
        missing = [p for p in (image_path, info['xml_path']) if not self._exists(p)]
        for path in missing:
            self._findings.problem(path, 'no such file', 'add it or take its id off the split')
        if missing:
            return None
        try:
            return self.parse_data_info(info)
        except (ET.ParseError, AttributeError, TypeError, ValueError) as error:
            self._findings.problem(
                info['xml_path'], f'not a VOC annotation ({error})', 'write the file anew'
            )
            return None

    def parse_data_info(self, img_info: dict) -> dict:
        """MMDetection's parser; the paths are noted for :meth:`_parse_instance_info`."""
        self._parsing = img_info
        return super().parse_data_info(img_info)

    def _parse_instance_info(self, raw_ann_info: ET.ElementTree, minus_one: bool = True) -> list:
        """Check the parsed file and take out what the options say, then parse as MMDetection."""
        root = raw_ann_info.getroot()
        assert root is not None  # a parsed file has one
        check_objects(
            root,
            path=self._parsing['xml_path'],
            size=self._image_size(root),
            classes=self.metainfo['classes'],
            ignore_classes=self.ignore_classes,
            bad_boxes=self.bad_boxes,
            empty_images=self.empty_images,
            findings=self._findings,
        )
        return super()._parse_instance_info(raw_ann_info, minus_one=minus_one)

    def _image_size(self, root: ET.Element) -> tuple[int, int]:
        """(width, height) in pixels, from the annotation or, where it has none, the image."""
        size = root.find('size')
        if size is not None:
            return int(size.findtext('width', '')), int(size.findtext('height', ''))
        path = os.path.join(self.sub_data_root, self._parsing['file_name'])
        image = mmcv.imfrombytes(get(path, backend_args=self.backend_args), backend='cv2')
        return image.shape[1], image.shape[0]

    def _exists(self, path: str) -> bool:
        return exists(path, backend_args=self.backend_args)

    def _require(self, path: str, setting: str, remedy: str) -> None:
        if not self._exists(path):
            raise FileNotFoundError(f'{setting}={path!r} does not exist: {remedy}.')


def _check_option(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f'{name} must be one of {allowed}, got {value!r}.')
