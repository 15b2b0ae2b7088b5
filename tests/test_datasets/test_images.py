"""The header says what the loader gives: OpenCV turns an image as its EXIF block says."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from mmkd.datasets.images import read_header, without_pixel_limit


def write_turned(path, orientation, size=(64, 48)):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)
    return str(path)


def loaded_size(path):
    """(width, height) as MMDetection's loader has it."""
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR).shape[1::-1]


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif'])
@pytest.mark.parametrize('orientation', range(0, 10))
def test_the_size_is_that_of_the_loaded_image(tmp_path, suffix, orientation):
    path = write_turned(tmp_path / f'a.{suffix}', orientation)
    assert read_header(path).size == loaded_size(path)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_orientation_is_named(tmp_path, orientation):
    header = read_header(write_turned(tmp_path / 'a.jpg', orientation))
    size = '48x64' if orientation > 4 else '64x48'
    turned = '' if orientation == 1 else f' as EXIF orientation {orientation} turns it'
    assert header.orientation == orientation and header.shown == size + turned


def test_a_damaged_block_counts_as_none(tmp_path):
    path = tmp_path / 'a.jpg'
    content = open(write_turned(path, 6), 'rb').read()
    start = content.index(b'Exif') + 6
    path.write_bytes(content[:start] + b'MM??' + content[start + 4 :])
    assert read_header(str(path)).size == loaded_size(path) == (64, 48)


def test_images_above_the_limit_of_pillow_have_a_size(tmp_path):
    path = str(tmp_path / 'a.png')
    Image.new('1', (18_000, 10_001)).save(path)
    limit = Image.MAX_IMAGE_PIXELS
    with without_pixel_limit():
        assert read_header(path).size == (18_000, 10_001)
    assert Image.MAX_IMAGE_PIXELS == limit


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.jpg')
    with pytest.raises(FileNotFoundError, match='a.jpg'):
        read_header(str(tmp_path / 'a.jpg'))


@pytest.mark.parametrize('name, match', [('a.jpg', 'not an image'), ('a.tga', 'in TGA, which')])
def test_what_the_loader_cannot_read_is_no_image(tmp_path, name, match):
    path = tmp_path / name
    Image.new('RGB', (9, 9)).save(path) if name == 'a.tga' else path.write_bytes(b'text')
    with pytest.raises(ValueError, match=match):
        read_header(str(path))
    assert cv2.imread(str(path)) is None
