"""WIDER FACE's lists of boxes as the XML files that MMDetection's WIDERFaceDataset reads."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from ..utils.errors import UserError, UserFileNotFoundError
from .voc_annotation import add_texts
from .writing import write_once

Row = tuple[int, ...]
"""x, y, w, h, then blur, expression, illumination, invalid, occlusion, pose."""
_INVALID = 7
_FOLDERS = ('images', '.')


def read_wider_face_list(path: str | Path) -> dict[str, list[Row]]:
    """Faces by image, from ``wider_face_train_bbx_gt.txt`` or the one of val.

    The file has an image, as ``0--Parade/name.jpg``, the number of its faces, and a line a face; an
    image without any has one line of zeros.

    Raises:
        FileNotFoundError, ValueError: There is no such file, or it is something else.
    """
    if not Path(path).is_file():
        raise UserFileNotFoundError(
            f'{path} does not exist: python tools/download_dataset.py wider_face_annotations '
            '--unpack fetches it.'
        )
    lines = Path(path).read_text(encoding='utf-8').split('\n')
    faces: dict[str, list[Row]] = {}
    place = 0
    try:
        while place < len(lines) and lines[place].strip():
            name, count = lines[place].strip(), int(lines[place + 1])
            rows = lines[place + 2 : place + 2 + max(count, 1)]
            faces[name] = [tuple(map(int, row.split())) for row in rows[:count]]
            if len(rows) < max(count, 1) or any(len(row) < 4 for row in faces[name]):
                raise UserError(f'{name} has fewer numbers than the list says')
            place += 2 + len(rows)
    except (ValueError, IndexError) as error:
        raise UserError(f'{path}, line {place + 1}: not a list of WIDER FACE ({error}).') from error
    return faces


def wider_face_to_voc(
    faces: Mapping[str, Sequence[Row]],
    root: str | Path,
    split: str,
    *,
    force: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> tuple[int, int]:
    """Writes ``WIDER_{split}/Annotations/*.xml`` and ``{split}.txt`` beside the images.

    Images stay where the benchmark's archive puts them, ``WIDER_{split}/images/0--Parade``. Faces
    marked as invalid become difficult objects, which training ignores; those without area are left
    out. Files that an interrupted call wrote stay as they are; one of another content is an error
    unless ``force`` replaces it.

    Returns:
        Faces in the files and faces left out.
    """
    base = Path(root) / f'WIDER_{split}'
    written = left_out = 0
    for name, rows in faces.items():
        folder = next((f for f in _FOLDERS if (base / f / name).is_file()), None)
        if folder is None:
            raise UserFileNotFoundError(
                f'{base / "images" / name} does not exist: unpack WIDER_{split}.zip into {root}.'
            )
        kept = [row for row in rows if row[2] > 0 and row[3] > 0]
        with Image.open(base / folder / name) as image:
            tree = _annotation((Path(folder) / name).parent.as_posix(), image.size, kept)
        write_once(base / 'Annotations' / f'{Path(name).stem}.xml', ET.tostring(tree), force=force)
        written, left_out = written + len(kept), left_out + len(rows) - len(kept)
        on_image()
    lines = ''.join(f'{Path(name).stem}\n' for name in faces)
    write_once(Path(root) / f'{split}.txt', lines, force=force)
    return written, left_out


def _annotation(folder: str, size: tuple[int, int], rows: Sequence[Row]) -> ET.Element:
    faces = []
    for x, y, width, height, *marks in rows:
        invalid = any(marks[_INVALID - 4 : _INVALID - 3])
        box = dict(xmin=x, ymin=y, xmax=x + width, ymax=y + height)
        faces.append(dict(name='face', difficult=int(invalid), bndbox=box))
    root = ET.Element('annotation')
    add_texts(root, folder=folder, size=dict(width=size[0], height=size[1]), object=faces)
    return root
