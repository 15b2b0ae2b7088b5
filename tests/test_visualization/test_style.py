import numpy as np
import pytest
from matplotlib.image import imread

from mmkd.visualization.style import LINES, new_figure, save_figure, show_image


def small_figure():
    figure = new_figure(2, 1)
    show_image(figure.subplots(), np.zeros((8, 16, 3), np.uint8), 'title')
    return figure


def test_a_figure_is_written_as_png_with_its_folder(tmp_path):
    path = save_figure(small_figure(), tmp_path / 'a' / 'b.png')
    assert imread(path).shape == (150, 300, 4)


def test_a_file_is_replaced_only_by_force(tmp_path):
    path = tmp_path / 'a.png'
    path.write_text('mine')
    with pytest.raises(FileExistsError, match=r'a\.png exists.*--force'):
        save_figure(small_figure(), path)
    assert path.read_text() == 'mine'
    save_figure(small_figure(), path, force=True)
    assert path.read_bytes().startswith(b'\x89PNG')


def test_lines_differ_without_colour():
    assert len({str(line) for _, line, _ in LINES}) == len(LINES)
    assert len({marker for _, _, marker in LINES}) == len(LINES)
