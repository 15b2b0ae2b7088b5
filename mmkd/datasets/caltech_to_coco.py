"""The Caltech pedestrian benchmark in COCO's format."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from ..settings import check_number
from ..utils.errors import UserError, UserFileNotFoundError
from .caltech_files import CaltechObject, read_seq, read_vbb
from .writing import Outcome, write_once

WIDTH, HEIGHT = 640, 480
LABELS = ('person', 'person?', 'people', 'ignore')
"""What the benchmark looks at; other labels are background."""


def caltech_frames(
    annotations: str | Path, sets: Sequence[int], skip: int = 30
) -> dict[str, list[CaltechObject]]:
    """The objects of every ``skip``-th frame, by its file name ``set06/V000/I00029.jpg``.

    The benchmark evaluates frames 29, 59, ... from 0 on of each video of sets 6 to 10: ``skip=30``.
    The folder ``annotations`` holds ``set00`` to ``set10`` with their ``.vbb`` files.

    Raises:
        FileNotFoundError, ValueError: A set has no annotation, or no frame is left.
    """
    check_number('skip', skip, '>= 1', whole=True)
    frames = {}
    for number in sets:
        folder = Path(annotations) / f'set{number:02d}'
        files = sorted(folder.glob('*.vbb'))
        if not files:
            raise UserFileNotFoundError(
                f'{folder} has no .vbb file: unpack annotations.zip of the benchmark, or correct '
                'the sets.'
            )
        for file in files:
            for index, objects in enumerate(read_vbb(file)):
                if index % skip == skip - 1:
                    frames[f'{folder.name}/{file.stem}/I{index:05d}.jpg'] = objects
    if not frames:
        raise UserError(
            f'sets={list(sets)} with skip={skip} have no frame: name sets from low to high, and a '
            'skip shorter than the videos.'
        )
    return frames


def caltech_to_coco(
    frames: dict[str, list[CaltechObject]], min_height: float = 50, min_visible: float = 0.65
) -> dict:
    """COCO's dictionary, with one category ``person`` and what the metric needs beside.

    Annotations have ``label``, ``vis_ratio`` and ``occluded``, from which
    :class:`mmkd.evaluation.CaltechMetric` makes the benchmark's subsets. ``iscrowd`` says what
    training ignores: every label but ``person``, and persons below ``min_height``, pixels, or
    ``min_visible``, the least visible share. Boxes are xywh pixels, 0-based.
    """
    check_number('min_visible', min_visible, '[0, 1]')
    images: list[dict] = []
    annotations: list[dict] = []
    for number, (name, objects) in enumerate(frames.items(), 1):
        images.append(dict(id=number, file_name=name, width=WIDTH, height=HEIGHT))
        for thing in objects:
            if thing.label not in LABELS:
                continue
            _, _, width, height = thing.box
            share = _share(thing)
            trained = thing.label == 'person' and height >= min_height and share >= min_visible
            entry = dict(
                id=len(annotations) + 1,
                image_id=number,
                category_id=1,
                bbox=list(thing.box),
                area=width * height,
                iscrowd=int(not trained),
                label=thing.label,
                vis_ratio=share,
                occluded=int(thing.visible is not None),
            )
            annotations.append(entry)
    categories = [dict(id=1, name='person')]
    return dict(images=images, annotations=annotations, categories=categories)


def extract_frames(
    videos: str | Path,
    names: Sequence[str],
    out: str | Path,
    *,
    force: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> Counter[Outcome]:
    """Writes frames of the ``.seq`` videos as the JPEG files that they are.

    A frame that an earlier call wrote is compared with the video and left as it is, so that an
    interrupted call can be repeated; with another content it is an error unless ``force`` is set.
    ``videos`` holds ``set00/V000.seq`` and so on, names are as ``set06/V000/I00029.jpg``.

    Returns:
        How many were ``written``, ``there`` already, and ``replaced``.
    """
    outcomes: Counter[Outcome] = Counter()
    wanted: dict[Path, dict[int, str]] = defaultdict(dict)
    for name in names:
        wanted[Path(name).parent][int(Path(name).stem[1:])] = name
    for video, frames in wanted.items():
        file = Path(videos) / f'{video}.seq'
        if not file.is_file():
            raise UserFileNotFoundError(f'there is no video {file}.')
        for index, frame in enumerate(read_seq(file)):
            if index in frames:
                outcomes[write_once(Path(out) / frames.pop(index), frame, force=force)] += 1
                on_frame()
        if frames:
            raise UserError(f'{file} has no frame {min(frames)}; annotation and video differ.')
    return outcomes


def _share(thing: CaltechObject) -> float:
    """Visible share of the box's area; 0 for a box without area."""
    if thing.visible is None:
        return 1.0
    area = thing.box[2] * thing.box[3]
    return thing.visible[2] * thing.visible[3] / area if area else 0.0
