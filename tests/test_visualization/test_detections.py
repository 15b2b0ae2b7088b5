import itertools

import numpy as np
import pytest

from mmkd.visualization import Boxes, draw_detections, match_detections

TRUTH = Boxes(
    bboxes=np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], float),
    labels=np.array([0, 1, 0]),
    ignored=np.array([False, False, True]),
)


def found(*rows):
    """Detections from (x1, y1, x2, y2, label, score)."""
    table = np.array(rows, float).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(int), table[:, 5])


def test_verdicts_follow_the_devkit():
    detections = found(
        (0, 0, 10, 8, 0, 0.6),  # IoU 0.8 with the first box, which a better one has taken: false
        (0, 0, 10, 10, 0, 0.9),  # a hit
        (20, 0, 30, 10, 0, 0.8),  # another class: false
        (40, 0, 50, 10, 0, 0.7),  # the ignored box: neither
        (0, 0, 4, 10, 0, 0.95),  # IoU 0.4: false
    )
    verdict, missed = match_detections(detections, TRUTH)
    assert verdict.tolist() == [0, 1, 0, -1, 0]
    assert missed.tolist() == [False, True, False]


def test_an_image_without_boxes_or_detections_is_matched():
    nothing = Boxes(np.zeros((0, 4)), np.zeros(0, int))
    assert match_detections(found((0, 0, 9, 9, 0, 0.9)), nothing)[0].tolist() == [0]
    assert match_detections(found(), TRUTH)[1].tolist() == [True, True, False]
    assert match_detections(found(), nothing)[1].tolist() == []


def test_every_panel_counts_what_it_shows_above_the_threshold():
    image = np.zeros((16, 64, 3), np.uint8)
    good = found((0, 0, 10, 10, 0, 0.9), (20, 0, 30, 10, 1, 0.1))
    figure = draw_detections([image], [TRUTH], {'teacher': [good]}, ['a', 'b'], score_thr=0.3)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ['ground truth: 2 objects', 'teacher\n1 right, 0 wrong, 1 missed']
    assert [text.get_text() for text in figure.axes[1].texts] == ['a 0.90']


def test_a_model_with_too_few_images_is_named():
    image = np.zeros((16, 64, 3), np.uint8)
    with pytest.raises(ValueError, match='student has detections of 1 images, not 2'):
        draw_detections([image] * 2, [TRUTH] * 2, {'student': [found()]}, ['a', 'b'])


def test_titles_and_names_of_boxes_neither_meet_nor_leave_their_panels():
    image = np.zeros((60, 80, 3), np.uint8)
    crowd = found(*((x, y, x + 9, y + 9, 0, 0.9) for x in range(0, 72, 4) for y in range(0, 52, 4)))
    names = ['quantization mimic, step 0.5, of a long name', 'another, whose name is as long']
    figure = draw_detections([image], [TRUTH], dict.fromkeys(names, [crowd]), ['platelets', 'b'])
    figure.canvas.draw()
    titles = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(not a.overlaps(b) for a, b in itertools.combinations(titles, 2))
    for axes in figure.axes:
        assert axes.texts and axes.title.get_window_extent().x1 <= figure.bbox.x1
        places = [text.get_window_extent() for text in axes.texts]
        assert all(not a.overlaps(b) for a, b in itertools.combinations(places, 2))
        panel = axes.get_window_extent()
        for place in places:
            assert panel.x0 <= place.x0 and place.x1 <= panel.x1 and panel.y0 <= place.y0
