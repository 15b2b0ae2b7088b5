"""Any folder in Pascal VOC layout, checked before training.

Convention: VOC boxes are 1-based and inclusive, so the smallest legal ``xmin`` is 1 and the largest
``xmax`` the image's width. MMDetection's ``XMLDataset`` truncates each number to an integer and
takes 1 from all four, so its boxes are 0-based and still inclusive (a box from pixel 1 to pixel 10
becomes ``[0, 9]``); :class:`mmkd.evaluation.VOCFolderMetric` measures them as such, with
``x2 - x1 + 1`` as the width.
"""

import os
from collections.abc import Iterator, Sequence

from mmdet.datasets import XMLDataset
from mmengine.fileio import exists, get_local_path
from mmengine.logging import print_log

from mmkd.utils.types import Entries

from ..registry import DATASETS
from ..settings import check_choice, check_keys
from ..utils.errors import UserError, UserFileNotFoundError
from .findings import Findings, ReadsSplit
from .images import read_header, without_pixel_limit
from .reading import read_bytes, read_lines
from .shapes import check_drawing
from .voc_annotation import VOCAnnotation, VOCObject, parse_voc


@DATASETS.register_module()
class VOCFolderDataset(ReadsSplit, XMLDataset):
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
        metainfo: Entries | None = None,
        data_prefix: dict[str, str] | None = None,
        img_suffix: str = '.jpg',
        bad_boxes: str = 'raise',
        empty_images: str = 'raise',
        ignore_classes: Sequence[str] = (),
        **kwargs: object,
    ) -> None:
        check_choice('bad_boxes', bad_boxes, ('raise', 'drop', 'clip'))
        check_choice('empty_images', empty_images, ('raise', 'keep'))
        if isinstance(ignore_classes, str):
            raise UserError(
                f'ignore_classes must be a sequence of names, got the string {ignore_classes!r}; '
                f'write ({ignore_classes!r},).'
            )
        if not (metainfo or {}).get('classes'):
            raise UserError(
                'VOCFolderDataset needs the class names of the folder: set '
                "metainfo=dict(classes=('name', ...))."
            )
        check_keys('filter_cfg', kwargs.get('filter_cfg'), self.FILTER_KEYS)
        self.img_suffix, self.ignore_classes = img_suffix, tuple(ignore_classes)
        self.bad_boxes, self.empty_images = bad_boxes, empty_images
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo=metainfo,
            data_prefix=data_prefix or dict(sub_data_root=''),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read and check every file of the split; boxes become xyxy, 0-based, inclusive pixels."""
        if not exists(self.data_root, backend_args=self.backend_args):
            raise UserFileNotFoundError(
                f'data_root={self.data_root!r} does not exist: correct the path or create the set '
                'there.'
            )
        check_drawing(self.data_root)
        self._refuse_absent('correct the name or write the split')
        self.cat2label = {name: label for label, name in enumerate(self.metainfo['classes'])}
        self._findings = findings = Findings(self.ann_file)
        with without_pixel_limit():
            images = map(self._load_image, read_lines(self.ann_file, self.backend_args))
            records = [record for record in images if record is not None]
        findings.raise_problems()
        if findings.dropped and not any(record['instances'] for record in records):
            raise UserError(
                f'{findings.dropped_summary()}. No box of the split is left: correct the files, '
                f'bad_boxes={self.bad_boxes!r} is for the few bad ones of a good set.'
            )
        if findings.dropped:
            print_log(findings.dropped_summary(), logger='current', level=30)
        return records

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg``; no image left is an error, not an empty epoch."""
        return self._refuse_none(super().filter_data(), 'image')

    def _load_image(self, image_id: str) -> dict | None:
        """The record of one image, or None where a missing or broken file was noted."""
        root = self.sub_data_root
        image = os.path.join(root, self.img_subdir, image_id + self.img_suffix)
        annotation = os.path.join(root, self.ann_subdir, f'{image_id}.xml')
        if self._findings.absent((image, annotation), self._there, 'id'):
            return None
        try:
            return self.parse_data_info(dict(img_id=image_id, img_path=image, xml_path=annotation))
        except ValueError as error:
            self._findings.problem(annotation, str(error), 'write the file anew')
            return None

    def parse_data_info(self, img_info: dict) -> dict:
        """The record of one image; what its files get wrong is noted.

        Raises:
            ValueError: The annotation is not XML, or states no size and the image has none.
        """
        annotation = self._annotation(read_bytes(img_info['xml_path'], self.backend_args))
        width, height = size = self._size(annotation, img_info['img_path'])
        objects = self._usable(annotation, img_info['xml_path'], size)
        instances = [self._instance(one) for one in objects]
        return dict(**img_info, width=width, height=height, instances=instances)

    def _usable(
        self, annotation: VOCAnnotation, path: str, size: tuple[int, int]
    ) -> Iterator[VOCObject]:
        """The objects to train on: bad ones left out or clipped where that was asked for."""
        for unread in annotation.faults:
            self._findings.problem(path, unread, 'correct it')
        listed = annotation.objects or annotation.ignored or annotation.faults
        if not listed and self.empty_images == 'raise':
            remedy = "annotate it or set empty_images='keep'"
            self._findings.problem(path, 'lists no object', remedy)
        classes = tuple(self.metainfo['classes'])
        for one in annotation.objects:
            fault = _box_fault(one.box, size)
            if one.name not in classes:
                problem = f'class {one.name!r} is not among classes={classes}'
                remedy = f"add it there or set ignore_classes=('{one.name}',)"
                self._findings.problem(path, problem, remedy)
            elif fault is None:
                yield one
            elif self.bad_boxes == 'raise':
                problem = f'{one.name!r} box (xmin, ymin, xmax, ymax) = {one.box} {fault}'
                remedy = "correct it or set bad_boxes='drop' or 'clip'"
                self._findings.problem(path, problem, remedy)
            else:
                self._findings.dropped[path] += 1
                limits = zip(one.box, size * 2, strict=True)
                x1, y1, x2, y2 = (min(max(value, 1), limit) for value, limit in limits)
                cut = one._replace(box=(x1, y1, x2, y2))
                if self.bad_boxes == 'clip' and _box_fault(cut.box, size) is None:
                    yield cut

    def _annotation(self, content: bytes) -> VOCAnnotation:
        """What one file holds, in VOC's convention."""
        return parse_voc(content, ignore=self.ignore_classes)

    def _size(self, annotation: VOCAnnotation, image: str) -> tuple[int, int]:
        """(width, height) in pixels, from the annotation or, where it has none, the image."""
        if annotation.size is not None and all(annotation.size):
            return annotation.size
        try:
            with get_local_path(image, backend_args=self.backend_args) as local:
                return read_header(local).size
        except ValueError as error:
            raise UserError(f'states no size, and {image} is {error}') from error

    def _instance(self, one: VOCObject) -> dict:
        x1, y1, x2, y2 = one.box
        least = 0 if self.test_mode else self.bbox_min_size or 0
        return dict(
            bbox=[x1 - 1, y1 - 1, x2 - 1, y2 - 1],
            bbox_label=self.cat2label[one.name],
            ignore_flag=int(one.difficult or min(x2 - x1, y2 - y1) < least),
        )


def _box_fault(box: Sequence[int], size: tuple[int, int]) -> str | None:
    """What is wrong with a box, 1-based inclusive pixels, in an image of (width, height), or None.

    A box one pixel wide has ``xmin == xmax`` here. MMDetection takes ``x2 - x1`` for the width when
    it trains, so that such a box would have no area: it counts as degenerate.
    """
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return 'is degenerate (xmax <= xmin or ymax <= ymin)'
    width, height = size
    if x1 < 1 or y1 < 1 or x2 > width or y2 > height:
        return f'is outside its image, x from 1 to {width} and y from 1 to {height}'
    return None
