"""Pixels of the shapes set: textured backgrounds, object masks and their paint."""

from collections.abc import Sequence

import cv2
import numpy as np

# Polygons in a unit square, counted clockwise from the top.
_TRIANGLE = [(0.5, 0.04), (0.98, 0.92), (0.02, 0.92)]
_SQUARE = [(0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94)]
_STAR = [
    (0.5 + 0.5 * r * np.sin(np.pi * k / 5), 0.5 - 0.5 * r * np.cos(np.pi * k / 5))
    for k, r in enumerate([1.0, 0.42] * 5)
]
_NEAR, _LOW, _HIGH, _FAR = 0.02, 0.34, 0.66, 0.98
_CROSS = [
    *((_LOW, _NEAR), (_HIGH, _NEAR), (_HIGH, _LOW), (_FAR, _LOW), (_FAR, _HIGH), (_HIGH, _HIGH)),
    *((_HIGH, _FAR), (_LOW, _FAR), (_LOW, _HIGH), (_NEAR, _HIGH), (_NEAR, _LOW), (_LOW, _LOW)),
]
_DISC = [(0.5 + 0.48 * np.cos(a), 0.5 + 0.48 * np.sin(a)) for a in np.arange(48) * np.pi / 24]

# Class -> (polygon or letter, filled). Each hollow shape has a filled twin, and the two glyphs
# look alike when small, so that telling them apart takes more than an outline.
GLYPHS: dict[str, tuple[list[tuple[float, float]] | str, bool]] = {
    'disc': (_DISC, True),
    'square': (_SQUARE, True),
    'triangle': (_TRIANGLE, True),
    'ring': (_DISC, False),
    'frame': (_SQUARE, False),
    'hollow_triangle': (_TRIANGLE, False),
    'star': (_STAR, True),
    'cross': (_CROSS, True),
    'letter_b': ('B', True),
    'digit_8': ('8', True),
}

# Longer side of an object, in pixels of a 192 pixel high image; drawn on a logarithmic scale.
_SIDES = (12.0, 115.0)
_FONT = cv2.FONT_HERSHEY_DUPLEX


def background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A textured background, (height, width, 3) float32 BGR: clouds, stripes and clutter."""
    image = _clouds(rng, height, width, cells=int(rng.integers(2, 7)), depth=27)
    image += _clouds(rng, height, width, cells=int(rng.integers(12, 40)), depth=13)
    if rng.random() < 0.6:
        stripes = _stripes(rng, height, width)[..., None]
        image += stripes * rng.uniform(-16, 16, 3).astype(np.float32)
    image += rng.uniform(60, 190, 3).astype(np.float32)
    mean = cv2.mean(image)[:3]
    for _ in range(int(rng.integers(0, 14))):
        start, end = (rng.uniform(-0.1, 1.1, 2) * (width, height) for _ in range(2))
        colour = _other_colour(mean, rng, least=14, most=40)
        ends = [(int(x), int(y)) for x, y in (start, end)]
        cv2.line(image, ends[0], ends[1], colour, int(rng.integers(1, 4)), cv2.LINE_AA)
    return image


def object_mask(
    name: str, rng: np.random.Generator, height: int, width: int
) -> tuple[np.ndarray, bool]:
    """Place one object of class ``name``.

    Returns:
        The pixels it covers, (height, width) bool, and whether it reaches outside the image.
    """
    glyph, filled = GLYPHS[name]
    low, high = np.array(_SIDES) * height / 192
    side = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    aspect = float(np.exp(rng.uniform(-0.35, 0.35)))
    extent = np.array([min(1.0, aspect), min(1.0, 1 / aspect)]) * side
    centre = rng.uniform(0.02, 0.98, 2) * (width, height)
    angle = rng.uniform(-25, 25)
    # Stroke of hollow shapes and letters, in pixels: it grows with the shape.
    stroke = max(1, round(side * rng.uniform(0.09, 0.17)))
    # Drawn on a canvas with a margin, which shows what lies outside the image.
    margin = int(high)
    canvas = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    if isinstance(glyph, str):
        _draw_letter(canvas, glyph, extent, centre + margin, angle, stroke)
    else:
        points = _rotate((np.array(glyph) - 0.5) * extent, angle) + centre + margin
        corners = np.round(points).astype(np.int32)
        if filled:
            cv2.fillPoly(canvas, [corners], 1)
        else:
            cv2.polylines(canvas, [corners], True, 1, stroke)
    inside = canvas[margin : margin + height, margin : margin + width].astype(bool)
    return inside, int(inside.sum()) < int(canvas.sum())


def paint(image: np.ndarray, mask: np.ndarray, name: str, rng: np.random.Generator) -> None:
    """Paint an object on ``image`` in place: a colour unlike its surroundings, lightly textured.

    A class has a hue of its own, with a spread that reaches its neighbours': a hint, not an answer.
    """
    ys, xs = np.nonzero(mask)
    window = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    patch, inside = image[window], mask[window]
    height, width = inside.shape
    colour = _class_colour(name, cv2.mean(patch)[:3], rng)
    if rng.random() < 0.5:
        texture = _stripes(rng, height, width)[..., None] * rng.uniform(-20, 20, 3)
    else:
        texture = _clouds(rng, height, width, cells=int(rng.integers(2, 9)), depth=12)
    patch[inside] = (colour + texture)[inside]


def _draw_letter(
    canvas: np.ndarray,
    letter: str,
    extent: np.ndarray,
    centre: np.ndarray,
    angle: float,
    stroke: int,
) -> None:
    """Draw a letter of ``extent`` (width, height) pixels at ``centre`` (x, y)."""
    big, thickness = 8.0, max(1, round(8.0 * 22 * stroke / max(extent)))
    (wide, tall), _ = cv2.getTextSize(letter, _FONT, big, thickness)
    stamp = np.zeros((tall + 2 * thickness, wide + 2 * thickness), np.uint8)
    cv2.putText(stamp, letter, (thickness, tall + thickness), _FONT, big, 255, thickness)
    ys, xs = np.nonzero(stamp)
    corners = np.array([[xs.min(), ys.min()], [xs.max(), ys.min()], [xs.min(), ys.max()]])
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    target = _rotate(unit * extent, angle) + centre
    warp = cv2.getAffineTransform(corners.astype(np.float32), target.astype(np.float32))
    drawn = cv2.warpAffine(stamp, warp, canvas.shape[::-1], flags=cv2.INTER_AREA)
    canvas[drawn > 100] = 1


def _rotate(points: np.ndarray, degrees: float) -> np.ndarray:
    """(N, 2) points turned about the origin."""
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return points @ matrix.T


def _clouds(
    rng: np.random.Generator, height: int, width: int, *, cells: int, depth: float
) -> np.ndarray:
    """Smooth noise, (height, width, 3), of ``cells`` patches a side and ``depth`` grey levels."""
    grid = rng.normal(0, depth / 2, (cells, cells, 3)).astype(np.float32)
    return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A plane wave of random direction and period, (height, width) in [-1, 1]."""
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 30)
    ys, xs = np.mgrid[:height, :width]
    phase = 2 * np.pi * (xs * np.cos(angle) + ys * np.sin(angle)) / period
    return np.sin(phase.astype(np.float32))


def _class_colour(name: str, mean: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """A BGR colour around the hue of a class, with a channel at least 70 from ``mean``'s.

    The best of eight draws, where none is that far.
    """
    spacing = 180 / len(GLYPHS)  # OpenCV counts hues from 0 to 180
    hues = list(GLYPHS).index(name) * spacing + rng.normal(0, spacing, 8)
    rest = rng.uniform((110, 90), (255, 255), (8, 2))
    colours = np.column_stack([hues % 180, rest])[None].astype(np.uint8)
    drawn = cv2.cvtColor(colours, cv2.COLOR_HSV2BGR)[0].astype(np.float32)
    contrast = np.abs(drawn - np.array(mean)).max(axis=1)
    far = np.flatnonzero(contrast >= 70)
    return drawn[far[0] if len(far) else contrast.argmax()]


def _other_colour(
    mean: Sequence[float], rng: np.random.Generator, least: float, most: float
) -> tuple[float, ...]:
    """A BGR colour whose strongest channel differs by ``least`` to ``most`` from ``mean``.

    Less where a channel would leave 0 to 255.
    """
    step = rng.uniform(-1, 1, 3)
    step *= rng.uniform(least, most) / np.abs(step).max()
    return tuple(float(v) for v in np.clip(np.array(mean) + step, 0, 255))
