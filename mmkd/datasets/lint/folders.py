"""Which format a path holds, and its splits."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from ...utils.errors import UserError, UserFileNotFoundError
from ..reading import read_lines
from .coco import read_coco
from .readers import read_kitti, read_voc
from .records import Split


def splits_of_path(
    path: str, *, classes: Sequence[str] | None = None, images: str | None = None
) -> list[Split]:
    """Every split of a VOC folder, a KITTI folder or a COCO file.

    They are known by ``Annotations``, by ``image_2`` and ``label_2``, perhaps below ``training``,
    and by ``.json``. ``classes`` are the names that boxes may have, as VOC folders do not say and
    KITTI's are fixed; the folder of a COCO file's images is sought beside it where not given.

    Raises:
        FileNotFoundError: There is no such path, or a COCO file's images are not found.
        ValueError: It is none of the three, or KITTI and ``classes`` are given.
    """
    root = Path(path)
    if not root.exists():
        raise UserFileNotFoundError(f'{path} does not exist.')
    if root.suffix == '.json' and root.is_file():
        return [_coco(root, classes, images)]
    if (root / 'Annotations').is_dir():
        return _voc(root, classes)
    for training in (root / 'training', root):
        if (training / 'image_2').is_dir() and (training / 'label_2').is_dir():
            if classes:
                raise UserError(
                    f'classes={tuple(classes)}: {path} is KITTI, whose types are fixed.'
                )
            return _kitti(root, training)
    raise UserError(
        f'{path} is not a folder in VOC layout (Annotations, ImageSets/Main, JPEGImages), none of '
        "KITTI's (image_2, label_2) and no COCO file (.json): name one of these, or a config."
    )


def _voc(root: Path, classes: Sequence[str] | None) -> list[Split]:
    """The split files of the folder, without those of single classes, which have two columns."""
    files = sorted((root / 'ImageSets' / 'Main').glob('*.txt'), key=_usual_order)
    plain = [file for file in files if not is_of_one_class(file)]
    if not plain:
        raise UserError(f'{root} has no split: ImageSets/Main holds no list of image ids.')
    listed = {image_id for file in plain for image_id in read_lines(file)}
    suffix = usual_suffix(root / 'JPEGImages', listed, '.jpg')
    return [
        read_voc(str(root), str(file), name=file.stem, classes=classes, img_suffix=suffix)
        for file in plain
    ]


def _kitti(root: Path, training: Path) -> list[Split]:
    """The split files below ImageSets whose frames are training ones, or all frames."""
    images, labels = training / 'image_2', training / 'label_2'
    frames = sorted({file.stem for file in images.iterdir()})
    lists = {
        str(file): read_lines(file)
        for file in sorted((root / 'ImageSets').glob('*.txt'), key=_usual_order)
        if not file.stem.startswith('test')  # frames of another folder, without labels
    }
    suffix = usual_suffix(images, frames, '.png')
    return [
        read_kitti(str(images), str(labels), listed, name=name, source=source, img_suffix=suffix)
        for source, listed in (lists or {str(images): frames}).items()
        for name in [Path(source).stem if lists else 'all']
    ]


def usual_suffix(folder: Path, names: Iterable[str], usual: str) -> str:
    """The suffix that most of the named images in a folder have."""
    known, named = Image.registered_extensions(), set(names)
    files = folder.iterdir() if folder.is_dir() else ()
    found = Counter(
        file.suffix for file in files if file.suffix.lower() in known and file.stem in named
    )
    return max(found, key=lambda suffix: (found[suffix], suffix == usual), default=usual)


def _coco(file: Path, classes: Sequence[str] | None, images: str | None) -> Split:
    """The file's split; its images are sought beside it, as in COCO's own folders."""
    if images and not Path(images).is_dir():
        raise UserFileNotFoundError(f'--images {images}: there is no such folder.')
    split = read_coco(str(file), '', name=file.stem.split('_')[-1], classes=classes)
    if not split.records:  # no entry names a file: the findings say so
        return split
    folder = Path(images) if images else coco_images(file, split.records[0].image)
    for record in split.records:
        record.image = os.path.join(folder, record.image)
    return split


def coco_images(file: Path, first: str, *roots: Path) -> Path:
    """The folder of a COCO file's images, sought beside the file, as in COCO's own folders.

    Args:
        file: The annotation file.
        first: Name of one of its images.
        roots: Other folders to look in.

    Raises:
        FileNotFoundError: None of the folders in question has that image.
    """
    above, names = file.parent.parent, (file.stem.split('_')[-1], 'images')
    folders = [above / name for name in names] + [file.parent / 'images', file.parent]
    folders += [root / name for root in roots for name in (*names, '')]
    for folder in folders:
        if (folder / first).is_file():
            return folder
    raise UserFileNotFoundError(
        f'{first}, the first image of {file}, is in none of {[str(one) for one in folders]}: put '
        'the images into one of these; mmkd check takes another with --images.'
    )


def is_of_one_class(file: Path) -> bool:
    """Whether it lists, as VOC's ``cat_train.txt`` does, an image and 1, 0 or -1 in every line."""
    rows = [line.split() for line in read_lines(file)]
    return bool(rows) and all(len(row) == 2 and row[1] in ('1', '0', '-1') for row in rows)


def _usual_order(file: Path) -> tuple[int, str]:
    """Train, val, test first: an image is reported in the first split that lists it."""
    usual = ('train', 'val', 'test')
    return (usual.index(file.stem) if file.stem in usual else len(usual), file.stem)
