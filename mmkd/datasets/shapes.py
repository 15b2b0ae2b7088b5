"""A small detection set drawn in seconds: the ``shapes`` set, in Pascal VOC layout.

Every image is a function of (seed, split, index) alone, so the same seed gives the same files in
any order and whatever the counts. Boxes enclose the visible pixels and are written as VOC has them,
1-based and inclusive; MMDetection's loader takes 1 from all four numbers.
"""

import hashlib
import json
import os
import shutil
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ..settings import check_number
from ..utils.errors import UserError, UserFileExistsError
from ..utils.types import Entries
from .reading import read_json
from .shapes_drawing import GLYPHS, background, object_mask, paint
from .voc_annotation import CORNERS, add_texts

SHAPES_CLASSES = tuple(GLYPHS)
MANIFEST = 'shapes.json'
SPLITS = ('train', 'val')
_LAYOUT = ('Annotations', 'ImageSets', 'JPEGImages', MANIFEST)
# Raise it with every change of the drawing: an existing set is then not mistaken for the new one.
_VERSION = 3
# A class is drawn in proportion to 0.86 ** its place: the first four times as often as the last.
_IMBALANCE = 0.86
# An object is difficult if less of it is visible, or if its longer visible side (pixels) is less.
_DIFFICULT_VISIBLE, _DIFFICULT_SIDE = 0.45, 11
# Nothing is placed that would leave less than this of an object visible: it could not be told.
_LEAST_VISIBLE = 0.2


@dataclass(frozen=True)
class ShapesConfig:
    """What determines a set, byte for byte."""

    train: int = 400  # number of training images, >= 1
    val: int = 100  # number of validation images, >= 1
    width: int = 256  # of each image, in pixels, >= 64
    height: int = 192  # of each image, in pixels, >= 64
    seed: int = 0  # >= 0

    def __post_init__(self) -> None:
        for name, low in dict(train=1, val=1, width=64, height=64, seed=0).items():
            check_number(name, getattr(self, name), f'>= {low}', whole=True)


@dataclass(frozen=True)
class DrawnObject:
    """One object of an image: its class, box and whether it is hard to see."""

    name: str  # one of SHAPES_CLASSES
    box: tuple[int, int, int, int]  # xmin, ymin, xmax, ymax of visible pixels, 1-based inclusive
    difficult: bool  # mostly hidden, or tiny
    truncated: bool  # part of it lies outside the image


def render_shapes_image(
    split: str, index: int, config: ShapesConfig
) -> tuple[np.ndarray, list[DrawnObject]]:
    """Draw image number ``index`` of a split, ``'train'`` or ``'val'``.

    Returns:
        The image, (height, width, 3) uint8 BGR, and its labelled objects, 5 to 12 as a rule.
    """
    rng = np.random.default_rng([config.seed, SPLITS.index(split), index])
    image = background(rng, config.height, config.width)
    owner = np.full(image.shape[:2], -1)
    drawn: list[tuple[str, int, bool]] = []  # class, pixels of the whole, whether cut off
    weights = _IMBALANCE ** np.arange(len(SHAPES_CLASSES))
    wanted = int(rng.integers(5, 13))
    for _ in range(4 * wanted):
        if len(drawn) == wanted:
            break
        name = str(rng.choice(SHAPES_CLASSES, p=weights / weights.sum()))
        mask, truncated = object_mask(name, rng, config.height, config.width)
        if _is_sliver(mask) or _hides_too_much(owner, mask, [size for _, size, _ in drawn]):
            continue
        paint(image, mask, name, rng)
        owner[mask] = len(drawn)
        drawn.append((name, int(mask.sum()), truncated))
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 9))
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    visible = [owner == index for index in range(len(drawn))]
    pairs = zip(visible, drawn, strict=True)
    objects = [_describe(mask, *one) for mask, one in pairs if not _is_sliver(mask)]
    return image, objects


def _is_sliver(mask: np.ndarray) -> bool:
    """Whether the pixels of ``mask`` span fewer than four columns or rows."""
    return bool(min(mask.any(0).sum(), mask.any(1).sum()) < 4)


def _hides_too_much(owner: np.ndarray, mask: np.ndarray, full_sizes: list[int]) -> bool:
    """Whether an object drawn on ``mask`` would all but hide an earlier one."""
    left = np.bincount(owner[(owner >= 0) & ~mask], minlength=len(full_sizes))
    return bool(np.any(left < _LEAST_VISIBLE * np.array(full_sizes)))


def _describe(visible: np.ndarray, name: str, full_size: int, truncated: bool) -> DrawnObject:
    """Box and flags of one object from its visible pixels, (height, width) bool."""
    ys, xs = np.nonzero(visible)
    # Zero-based inclusive extremes; VOC counts from 1.
    x1, y1, x2, y2 = xs.min() + 1, ys.min() + 1, xs.max() + 1, ys.max() + 1
    tiny = max(x2 - x1, y2 - y1) + 1 < _DIFFICULT_SIDE
    hidden = visible.sum() < _DIFFICULT_VISIBLE * full_size
    box = (int(x1), int(y1), int(x2), int(y2))
    return DrawnObject(name, box, difficult=bool(tiny or hidden), truncated=truncated)


def draw_shapes(
    out_dir: str | Path,
    config: ShapesConfig | None = None,
    *,
    force: bool = False,
    on_image: Callable[[], None] | None = None,
) -> bool:
    """Write a whole set; a complete identical one is reused.

    The set is drawn beside ``out_dir`` and moved there when it is complete, so that an interrupted
    run leaves no half set under that name. With ``force`` it replaces another set of shapes that
    stands there, and nothing else; ``on_image`` is called after each image.

    Returns:
        Whether a set was drawn: False where it was there already.
    """
    out_dir, config = Path(out_dir), config or ShapesConfig()
    if out_dir.exists() and any(out_dir.iterdir()):
        if _is_complete(out_dir, config):
            return False
        _check_replaceable(out_dir, force)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{out_dir.name}-', dir=out_dir.parent) as scratch:
        fresh = Path(scratch) / 'set'
        _write_set(fresh, config, on_image or (lambda: None))
        if out_dir.exists():
            shutil.rmtree(out_dir)
        fresh.rename(out_dir)
    return True


def check_drawing(folder: str | Path) -> None:
    """Refuses a set of shapes that another version drew: its results could not be compared.

    The root of any other data set passes.
    """
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        return
    content = read_json(manifest)
    version = content.get('version') if isinstance(content, dict) else None
    if version != _VERSION:
        raise UserError(
            f'{folder} holds shapes of drawing {version}, this mmkd draws {_VERSION}: draw them '
            f'anew with python tools/dataset_converters/make_shapes.py {folder} --force.'
        )


def shapes_fingerprint(folder: str | Path) -> str:
    """SHA-256 over the names and bytes of a set's files, the manifest left out."""
    folder = Path(folder)
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file() and p.name != MANIFEST):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_complete(folder: Path, config: ShapesConfig) -> bool:
    """Whether ``folder`` holds exactly the set of ``config``."""
    try:
        return json.loads((folder / MANIFEST).read_text()) == _manifest(folder, config)
    except (OSError, ValueError):
        return False


def _manifest(folder: Path, config: ShapesConfig) -> Entries:
    told = dict(version=_VERSION, config=asdict(config), classes=list(SHAPES_CLASSES))
    return {**told, 'sha256': shapes_fingerprint(folder)}


def _check_replaceable(folder: Path, force: bool) -> None:
    foreign = sorted(set(os.listdir(folder)) - set(_LAYOUT))
    if foreign or not (folder / MANIFEST).is_file():
        what = f'also {foreign[0]!r}' if foreign else f'no {MANIFEST}'
        problem = f'is not empty and no set of shapes (it holds {what})'
        remedy = 'name another folder; --force does not delete foreign files'
    elif not force:
        problem = 'holds another or a changed set of shapes'
        remedy = 'name another folder, or replace it with --force'
    else:
        return
    raise UserFileExistsError(f'out_dir={str(folder)!r}', problem, remedy)


def _write_set(folder: Path, config: ShapesConfig, on_image: Callable[[], None]) -> None:
    for name in ('Annotations', 'ImageSets/Main', 'JPEGImages'):
        (folder / name).mkdir(parents=True)
    ids: dict[str, list[str]] = {}
    for split in SPLITS:
        ids[split] = [f'{split}_{i:05d}' for i in range(getattr(config, split))]
        for index, image_id in enumerate(ids[split]):
            image, objects = render_shapes_image(split, index, config)
            _write_image(folder, image_id, image, objects)
            on_image()
    ids['trainval'] = ids['train'] + ids['val']
    for split, names in ids.items():
        (folder / f'ImageSets/Main/{split}.txt').write_text('\n'.join(names) + '\n')
    manifest = _manifest(folder, config)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + '\n')


def _write_image(
    folder: Path, image_id: str, image: np.ndarray, objects: list[DrawnObject]
) -> None:
    """The JPEG and its annotation, in the devkit's format."""
    coded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    (folder / f'JPEGImages/{image_id}.jpg').write_bytes(coded.tobytes())
    height, width, depth = image.shape
    entries = [
        dict(
            name=drawn.name,
            pose='Unspecified',
            truncated=int(drawn.truncated),
            difficult=int(drawn.difficult),
            bndbox=dict(zip(CORNERS, drawn.box, strict=True)),
        )
        for drawn in objects
    ]
    root = ET.Element('annotation')
    add_texts(root, folder='JPEGImages', filename=f'{image_id}.jpg')
    size = dict(width=width, height=height, depth=depth)
    add_texts(root, size=size, segmented=0, object=entries)
    ET.indent(root)
    (folder / f'Annotations/{image_id}.xml').write_bytes(ET.tostring(root) + b'\n')
