"""The linter's checks; they know no format."""

import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..images import ImageHeader, read_header, without_pixel_limit
from .near import near_duplicates
from .records import Box, Finding, Record, Report, Split

# Splits that a published protocol keeps apart; trainval holds train and val by design.
_APART = (('train', 'val'), ('train', 'test'), ('trainval', 'test'), ('val', 'test'))
_TOLERANCE = 0.01  # pixels; formats with fractions round them
_SHOWN = 3
_HEAD = 1 << 16


def check_splits(
    splits: Sequence[Split],
    *,
    decode: bool = False,
    workers: int = 4,
    on_image: Callable[[], None] = lambda: None,
) -> Report:
    """Looks for what training would stumble over, or learn wrongly without a word.

    An image that several splits list is looked at once; with ``decode`` it is decoded, which finds
    truncated files and takes far longer, otherwise only its header is read. ``workers`` threads
    read images, after each of which ``on_image`` is called.
    """
    start = time.perf_counter()
    findings: list[Finding] = []
    turned = 0
    seen: dict[str, Split] = {}
    waiting: list[tuple[Split, Record]] = []
    for split in splits:
        findings += [Finding(kind, split.name, split.source, text) for kind, text in split.faults]
        findings += _twice_listed(split)
        for record in split.records:
            if record.image not in seen:
                seen[record.image] = split
                waiting.append((split, record))

    def look(item: tuple[Split, Record]) -> tuple[list[Finding], bool]:
        split, record = item
        header, found = None, []
        try:
            header = read_header(record.image, decode=decode)
        except FileNotFoundError:
            there = 'what is there is no file' if os.path.exists(record.image) else ''
            found = [Finding('missing-image', split.name, record.image, there)]
        except ValueError as error:
            found = [Finding('unreadable-image', split.name, record.image, str(error))]
        found += _check_record(split, record, header)
        return found, header is not None and header.orientation > 1

    with without_pixel_limit(), ThreadPoolExecutor(max(1, workers)) as pool:
        for found, is_turned in pool.map(look, waiting):
            findings += found
            turned += is_turned
            on_image()
    findings += _same_bytes((split.name, record.image) for split, record in waiting)
    findings += _shared(splits)
    boxes = sum(len(record.boxes or ()) for _, record in waiting)
    counts: Counter[str] = Counter()
    for split in splits:
        counts[split.name] += len(split.records)
    return Report(dict(counts), boxes, findings, turned, time.perf_counter() - start)


def _check_record(split: Split, record: Record, header: ImageHeader | None) -> Iterator[Finding]:
    """Findings of one annotation; ``header`` is that of its image where it could be read."""
    for kind, detail in record.faults:
        yield Finding(kind, split.name, record.annotation, detail)
    if record.boxes is None:
        return
    if not record.boxes and not record.ignored and not record.faults:
        yield Finding('no-boxes', split.name, record.annotation)
    stated = record.size
    if header is not None and stated is not None and header.size != stated:
        detail = f'states {stated[0]}x{stated[1]}, the image has {header.shown}'
        yield Finding('wrong-size', split.name, record.annotation, detail)
    yield from _check_boxes(split, record, header.size if header is not None else stated)


def _check_boxes(split: Split, record: Record, size: tuple[int, int] | None) -> Iterator[Finding]:
    """Findings of one image's boxes; ``size`` is the image's own where it could be read."""
    low = split.origin - _TOLERANCE
    for box in record.boxes or ():
        x1, y1, x2, y2 = box.corners
        shown = _text(box)
        if x2 <= x1 or y2 <= y1:
            yield Finding('degenerate-box', split.name, record.annotation, shown)
        elif size is not None and not (
            (x1 >= low and y1 >= low)
            and (x2 <= size[0] + _TOLERANCE and y2 <= size[1] + _TOLERANCE)
        ):
            detail = f'{shown} in an image of {size[0]}x{size[1]}'
            yield Finding('outside-image', split.name, record.annotation, detail)
        if split.classes is not None and box.name not in split.classes:
            yield Finding('unknown-class', split.name, record.annotation, repr(box.name))
    counted = Counter(record.boxes or ())
    for box, count in counted.items():
        if count > 1:
            detail = f'{_text(box)}, {count} times'
            yield Finding('duplicate-box', split.name, record.annotation, detail)
    for first, second, iou, more in near_duplicates(list(counted), one=split.origin):
        detail = f'{_text(first)} and {_text(second)}: IoU {iou:.2f}'
        detail += f', and {more} more like the first' if more else ''
        yield Finding('near-duplicate-box', split.name, record.annotation, detail)


def _text(box: Box) -> str:
    return f'{box.name} ({", ".join(f"{value:g}" for value in box.corners)})'


def _twice_listed(split: Split) -> Iterator[Finding]:
    listed = Counter(record.image for record in split.records)
    for image, count in listed.items():
        if count > 1:
            yield Finding('duplicate-id', split.name, image, f'{count} times in {split.source}')


def _shared(splits: Sequence[Split]) -> Iterator[Finding]:
    """One finding a pair of splits, with examples."""
    images: dict[str, set[str]] = defaultdict(set)
    for split in splits:
        images[split.name].update(record.image for record in split.records)
    for first, second in _APART:
        common = sorted(images[first] & images[second])
        if common:
            examples = ', '.join(map(os.path.basename, common[:_SHOWN]))
            examples += ', ...' * (len(common) > _SHOWN)
            detail = f'{len(common)} also in {second}: {examples}'
            yield Finding('shared-image', first, os.path.dirname(common[0]), detail)


def _same_bytes(images: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Images of the same content under two names; only files of equal length are read."""
    by_length: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, path in images:
        if os.path.isfile(path):
            by_length[os.path.getsize(path)].append((name, path))
    for group in by_length.values():
        for alike in _by_digest(group, _HEAD) if len(group) > 1 else ():
            for equal in _by_digest(alike, None):
                (split, first), *others = equal
                listed = ', '.join(f'{path} ({other})' for other, path in others)
                yield Finding('duplicate-image', split, first, f'the same as {listed}')


def _by_digest(group: list[tuple[str, str]], head: int | None) -> list[list[tuple[str, str]]]:
    """Groups of two and more files that begin with, or are, the same bytes."""
    found: dict[bytes, list[tuple[str, str]]] = defaultdict(list)
    for name, path in group:
        try:
            with open(path, 'rb') as file:
                content = file.read(-1 if head is None else head)
        except OSError:
            continue  # found unreadable before
        found[hashlib.blake2b(content).digest()].append((name, path))
    return [alike for alike in found.values() if len(alike) > 1]
