"""What an image's header says of its size, in the frame that a detector sees."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
from PIL import Image

from ..utils.errors import UserError, UserFileNotFoundError

_ORIENTATION = 0x0112
_TURNED = 5
"""From this orientation on, width and height are exchanged."""


class ImageHeader(NamedTuple):
    """Size and orientation of an image."""

    size: tuple[int, int]  # width, height in pixels as MMDetection loads it: turned as EXIF says
    orientation: int  # EXIF's, from 1 (as stored) to 8

    @property
    def shown(self) -> str:
        """The size in words, with what turned it."""
        turned = f' as EXIF orientation {self.orientation} turns it' * (self.orientation > 1)
        return f'{self.size[0]}x{self.size[1]}{turned}'


def read_header(path: str, *, decode: bool = False) -> ImageHeader:
    """Reads the header of an image, or all of it.

    Pillow refuses images above 179 megapixels, which OpenCV loads: call it within
    :func:`without_pixel_limit`.

    ``decode`` decodes the pixels too, which finds files that were cut off.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not an image, or in a format that OpenCV cannot load.
    """
    if not os.path.isfile(path):  # a pipe in its place would be waited for without end
        raise UserFileNotFoundError(f'there is no file {path}.')
    try:
        with Image.open(path) as image:
            (width, height), orientation, kind = image.size, _orientation(image), image.format
            if decode:
                image.load()
    except Exception as error:  # Pillow's decoders raise what they like on damaged files
        raise UserError(f'not an image ({str(error) or type(error).__name__})') from error
    if not cv2.haveImageReader(path):
        raise UserError(f'an image in {kind}, which OpenCV here cannot load')
    return ImageHeader((height, width) if orientation >= _TURNED else (width, height), orientation)


@contextmanager
def without_pixel_limit() -> Iterator[None]:
    """Lifts Pillow's limit of pixels, for all threads: headers are read, which take no memory."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _orientation(image: Image.Image) -> int:
    """What the EXIF block says; OpenCV takes a damaged one, like none, for 1.

    A TIFF file has none: both libraries turn it by a tag of its own.
    """
    exif = Image.Exif()
    try:
        exif.load(image.info.get('exif') or b'')
        orientation = int(exif.get(_ORIENTATION, 1))
    except Exception:  # Pillow raises what it likes here as well
        return 1
    return orientation if 1 <= orientation <= 8 else 1
