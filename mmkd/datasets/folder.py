"""A folder of VOC's, COCO's or KITTI's layout as the data sets of training, validation and test."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.atomic import write_atomically
from ..utils.errors import UserError, UserFileNotFoundError
from ..utils.types import Entries
from .images import read_header, without_pixel_limit
from .kitti import KITTIDataset
from .lint.coco import check_coco_file
from .lint.folders import coco_images, is_of_one_class, usual_suffix
from .lint.readers import read_kitti, read_voc
from .reading import read_json, read_lines

SPLITS = ('train', 'val', 'test')
VAL_SHARE, SEED = 0.2, 0
"""How one list alone is cut: the share to validate on, and the seed of the order."""

_IMAGES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp'}


@dataclass(frozen=True)
class DataFolder:
    """What is read of a folder.

    Attributes:
        classes: Names in the order of their labels.
        datasets: Config of each split's data set, without a pipeline, by ``'train'``, ``'val'``,
            ``'test'``.
        metrics: Config of each split's metric.
        said: What was taken, a line each.
    """

    classes: tuple[str, ...]
    datasets: dict[str, Entries]
    metrics: dict[str, Entries]
    said: list[str]


def read_folder(
    folder: str | Path, kind: str, given: Mapping[str, str | None], cuts: str | Path
) -> DataFolder:
    """Finds the lists of a folder and reads its classes.

    ``train`` is the list of that name, else ``trainval``, else the only one; ``val`` that name, or
    the test list, if it shares no image with ``train``; else every fifth image of ``train`` on
    average, drawn by :data:`SEED`. ``test`` is that name, else ``val``.

    Args:
        folder: ``Annotations``, ``ImageSets/Main``, ``JPEGImages`` of VOC; COCO's files, in
            ``annotations`` or the folder itself; ``training`` and ``ImageSets`` of KITTI.
        kind: One of :data:`FORMATS`.
        given: By split the name of a list of the folder, or the path of a list or COCO file; None:
            as above.
        cuts: Where the two parts of one list are written, named after its path.

    Raises:
        FileNotFoundError: There is no such folder, list or image.
        ValueError: The folder has another layout, no list to train on, or files that are broken.
    """
    if not Path(folder).is_dir():
        raise UserFileNotFoundError(f'--data {folder}', 'is no folder', 'correct the path')
    layout = FORMATS[kind](Path(folder))
    files, said = _choose(layout, given, Path(cuts))
    classes = layout.classes(files['train'])
    if not classes:
        raise UserError(f'{files["train"]} has no box, so {folder} shows no classes to learn.')
    shown = ', '.join(classes[:8]) + ', ...' * (len(classes) > 8)
    metainfo = dict(classes=classes)
    return DataFolder(
        classes,
        {split: layout.dataset(file, metainfo) for split, file in files.items()},
        {split: layout.metric(file) for split, file in files.items()},
        [f'--data: {folder} as {kind}, {len(classes)} classes: {shown}', *said],
    )


def image_list(folder: str | Path, classes: Sequence[str], cuts: str | Path) -> Entries:
    """A folder of images without labels as the config of a data set, without a pipeline.

    Args:
        folder: Any image in it or below it is taken.
        classes: What the teacher will label.
        cuts: Where the list of the images is written.

    Raises:
        FileNotFoundError: There is no such folder, or no image in it.
        ValueError: An image cannot be read.
    """
    root = Path(folder)
    files = sorted(file for file in root.rglob('*') if file.suffix.lower() in _IMAGES)
    if not files:
        raise UserFileNotFoundError(f'--unlabelled {folder}', 'has no image', 'correct the path')
    with without_pixel_limit():
        sizes = [read_header(str(file)).size for file in files]
    images = [
        dict(id=i, file_name=str(file.relative_to(root)), width=width, height=height)
        for i, (file, (width, height)) in enumerate(zip(files, sizes, strict=True))
    ]
    categories = [dict(id=i, name=name) for i, name in enumerate(classes)]
    out = _cut_file(Path(cuts), root, 'unlabelled', '.json')
    content = dict(images=images, annotations=[], categories=categories)
    write_atomically(json.dumps(content).encode(), out)
    return dict(
        type='CocoDataset',
        ann_file=str(out.resolve()),
        data_prefix=dict(img=str(root)),
        metainfo=dict(classes=tuple(classes)),
    )


class _Layout(ABC):
    """One format: its lists, the images of each, and the data set of one."""

    labels = ''
    """The suffix of the labels of one image, where each has a file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources: dict[Path, Path] = {}
        """What the parts of a list were cut from."""

    @abstractmethod
    def lists(self) -> dict[str, Path]:
        """The annotation files by their short names."""

    def images(self, file: Path) -> list[str]:
        """Ids or names of a list's images, in its order; without any list, of all labels."""
        if file.is_dir():
            return sorted(one.stem for one in file.glob(f'*{self.labels}'))
        return read_lines(file)

    def part(self, file: Path, images: Sequence[str]) -> str:
        """The text of a list of some of the images of a list."""
        return '\n'.join(images) + '\n'

    @abstractmethod
    def classes(self, file: Path) -> tuple[str, ...]:
        """Names of what is annotated."""

    @abstractmethod
    def dataset(self, file: Path, metainfo: Entries) -> Entries:
        """Config of the data set."""

    @abstractmethod
    def metric(self, file: Path) -> Entries:
        """Config of the metric."""

    def relative(self, file: Path) -> str:
        """A list's path as ``ann_file``."""
        inside = file.is_relative_to(self.root)
        return str(file.relative_to(self.root) if inside else file.resolve())


class _VOC(_Layout):
    labels = '.xml'

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        if not (root / 'Annotations').is_dir():
            raise UserFileNotFoundError(
                f'--data {root} --format voc',
                'has no Annotations',
                'give the folder of Annotations, JPEGImages and ImageSets/Main, e.g. '
                'VOCdevkit/VOC2007, or another --format',
            )

    def lists(self) -> dict[str, Path]:
        files = sorted((self.root / 'ImageSets' / 'Main').glob('*.txt'))
        named = {file.stem: file for file in files if not is_of_one_class(file)}
        return named or {'Annotations': self.root / 'Annotations'}

    def classes(self, file: Path) -> tuple[str, ...]:
        records = read_voc(str(self.root), str(file), name='train').records
        return tuple(sorted({box.name for one in records for box in one.boxes or ()}))

    def dataset(self, file: Path, metainfo: Entries) -> Entries:
        return dict(
            type='mmkd.VOCFolderDataset',
            data_root=str(self.root),
            ann_file=self.relative(file),
            img_suffix=usual_suffix(self.root / 'JPEGImages', self.images(file), '.jpg'),
            bad_boxes='clip',
            empty_images='keep',
            metainfo=metainfo,
        )

    def metric(self, file: Path) -> Entries:
        return dict(type='mmkd.VOCFolderMetric')


class _COCO(_Layout):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.contents: dict[Path, tuple[tuple[str, ...], Any]] = {}
        """Categories and content of each file that was read."""

    def lists(self) -> dict[str, Path]:
        found = {}
        for file in sorted([*self.root.glob('annotations/*.json'), *self.root.glob('*.json')]):
            short = file.stem.removeprefix('instances_')
            found[short.rstrip('0123456789') or short] = file
        return found

    def images(self, file: Path) -> list[str]:
        return [one['file_name'] for one in self._read(file)[1]['images']]

    def part(self, file: Path, images: Sequence[str]) -> str:
        kept, content = set(images), self._read(file)[1]
        entries = [one for one in content['images'] if one['file_name'] in kept]
        ids = {one['id'] for one in entries}
        boxes = [one for one in content.get('annotations', ()) if one['image_id'] in ids]
        return json.dumps({**content, 'images': entries, 'annotations': boxes})

    def classes(self, file: Path) -> tuple[str, ...]:
        return self._read(file)[0]

    def dataset(self, file: Path, metainfo: Entries) -> Entries:
        images = self.images(file)
        if not images:
            raise UserError(f'{file}', 'has no image', 'name another list with --train or --val')
        folder = coco_images(self.sources.get(file, file), images[0], self.root)
        return dict(
            type='CocoDataset',
            data_root=str(self.root),
            ann_file=self.relative(file),
            data_prefix=dict(img=self.relative(folder)),
            metainfo=metainfo,
        )

    def metric(self, file: Path) -> Entries:
        return dict(type='mmkd.CocoMetric', ann_file=str(file))

    def _read(self, file: Path) -> tuple[tuple[str, ...], Any]:
        if file not in self.contents:
            self.contents[file] = check_coco_file(str(file)), read_json(file)
        return self.contents[file]


class _KITTI(_Layout):
    labels = '.txt'

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.frames = root / 'training' if (root / 'training').is_dir() else root
        if not (self.frames / 'label_2').is_dir():
            raise UserFileNotFoundError(
                f'--data {root} --format kitti',
                'has no training/label_2',
                'give the folder of training/image_2, training/label_2 and ImageSets, or another '
                '--format',
            )

    def lists(self) -> dict[str, Path]:
        files = sorted((self.root / 'ImageSets').glob('*.txt'))
        # Those of the test set name frames of another folder, without labels.
        named = {file.stem: file for file in files if not file.stem.startswith('test')}
        return named or {'label_2': self.frames / 'label_2'}

    def classes(self, file: Path) -> tuple[str, ...]:
        images, labels = (str(self.frames / name) for name in ('image_2', 'label_2'))
        records = read_kitti(images, labels, self.images(file), name='', source='').records
        seen = {box.name for one in records for box in one.boxes or ()}
        return tuple(name for name in KITTIDataset.METAINFO['classes'] if name in seen)

    def dataset(self, file: Path, metainfo: Entries) -> Entries:
        folders = dict(img='image_2', label='label_2')
        return dict(
            type='mmkd.KITTIDataset',
            data_root=str(self.root),
            ann_file=self.relative(file),
            data_prefix={key: self.relative(self.frames / one) for key, one in folders.items()},
            img_suffix=usual_suffix(self.frames / 'image_2', self.images(file), '.png'),
            metainfo=metainfo,
        )

    def metric(self, file: Path) -> Entries:
        return dict(type='mmkd.KITTIMetric')


FORMATS: dict[str, type[_Layout]] = dict(voc=_VOC, coco=_COCO, kitti=_KITTI)
"""Layouts by the name of ``--format``."""


def _choose(
    layout: _Layout, given: Mapping[str, str | None], cuts: Path
) -> tuple[dict[str, Path], list[str]]:
    """The list of each split, and a line on each."""
    lists = layout.lists()
    files = {split: _named(layout, split, name, lists) for split, name in given.items() if name}
    if 'train' not in files:
        usual = [lists[name] for name in ('train', 'trainval') if name in lists]
        if not usual and len(lists) != 1:
            raise UserError(
                f'--data {layout.root}',
                f'has no list to train on (lists: {", ".join(lists) or "none"})',
                'name one with --train, by its name or path',
            )
        files['train'] = [*usual, *lists.values()][0]
    trained = set(layout.images(files['train']))
    said = {split: _shown(layout, file) for split, file in files.items()}
    for split in files.keys() - {'train'}:
        known = len(trained.intersection(layout.images(files[split])))
        said[split] += f', {known} of them trained on: their mAP is too high' if known else ''
    others = {
        name: lists[name]
        for name in ('val', 'test')
        if name in lists and trained.isdisjoint(layout.images(lists[name]))
    }
    if 'val' not in files and others:
        files['val'] = next(iter(others.values()))
        said['val'] = _shown(layout, files['val'])
    elif 'val' not in files:
        whole = said['train']
        files['train'], files['val'] = _cut(layout, files['train'], cuts)
        for split, share in (('train', 1 - VAL_SHARE), ('val', VAL_SHARE)):
            number = len(layout.images(files[split]))
            said[split] = f'{number} of {whole}: {share:.0%}, drawn by seed {SEED}'
    if 'test' not in files:
        files['test'] = others.get('test', files['val'])
        said['test'] = _shown(layout, files['test']) if 'test' in others else 'as val'
    return files, [f'--data: {split}: {said[split]}' for split in SPLITS]


def _named(layout: _Layout, split: str, name: str, lists: Mapping[str, Path]) -> Path:
    by_stem = {file.stem: file for file in lists.values()}
    for file in (lists.get(name), by_stem.get(name), layout.root / name, Path(name)):
        if file is not None and file.is_file():
            return file
    raise UserFileNotFoundError(
        f'--{split} {name}',
        f'is no list of {layout.root} ({", ".join(lists) or "it has none"}) and no file',
        'name one of these, or the path of another',
    )


def _shown(layout: _Layout, file: Path) -> str:
    return f'{layout.relative(file)}, {len(layout.images(file))} images'


def _cut(layout: _Layout, file: Path, cuts: Path) -> tuple[Path, Path]:
    """Writes the two parts of a list; a function of the list's content alone."""
    images = layout.images(file)
    order = np.random.default_rng(SEED).permutation(len(images))
    number = max(1, round(VAL_SHARE * len(images)))
    if number >= len(images):
        raise UserError(
            f'{file} has {len(images)} images: at least two are cut into train and val.'
        )
    parts: list[Path] = []
    for split, places in (('train', order[number:]), ('val', order[:number])):
        suffix = file.suffix or '.txt'
        out = _cut_file(cuts, file, split, suffix)
        kept: Iterable[int] = sorted(places.tolist())
        write_atomically(layout.part(file, [images[i] for i in kept]).encode(), out)
        layout.sources[out] = file
        parts.append(out)
    return parts[0], parts[1]


def _cut_file(cuts: Path, source: Path, split: str, suffix: str) -> Path:
    """A name of its own for each source, the same in every run."""
    key = sha1(os.fsencode(source.resolve())).hexdigest()[:8]
    return cuts / f'{source.stem}_{split}_{key}{suffix}'
