"""Draw how scores fall as scenes get harder: one small plot for each axis."""

from collections.abc import Mapping, Sequence

import numpy as np

from demo.canvas import INK, MUTED, WHITE, blank, dot, line, text_width_px, write
from demo.palette import Colour
from services.pipeline.domain.frames import Pixels
from tests.accuracy.identity.figures import Figures
from tests.accuracy.identity.tables import value_at
from tests.accuracy.scenes.axes import AXES, Axis
from tests.accuracy.scenes.measuring import Measured

_GRID: Colour = (226, 229, 233)
_CURVES: Mapping[str, tuple[str, str, Colour]] = {
    "final": ("both", "final.idf1", (31, 119, 180)),
    "first": ("both", "first.idf1", (230, 126, 34)),
    "causal reference": ("causal", "final.idf1", (46, 139, 87)),
    "true ids": ("ceiling", "final.idf1", (150, 150, 150)),
}
_COLUMNS, _WIDTH, _HEIGHT, _HEAD = 2, 460, 230, 44
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 22, 34, 34


def draw(measured: Measured) -> Pixels:
    """Return a picture of IDF1 over every axis."""
    axes = [axis for axis in AXES if axis.name in measured]
    rows = -(-len(axes) // _COLUMNS)
    picture = blank(_COLUMNS * _WIDTH, _HEAD + rows * _HEIGHT, WHITE)
    _legend(picture)
    for index, axis in enumerate(axes):
        row, column = divmod(index, _COLUMNS)
        corner = column * _WIDTH, _HEAD + row * _HEIGHT
        _plot(picture, corner, axis, measured[axis.name])
    return picture


def _legend(picture: Pixels) -> None:
    write(picture, "IDF1 over all cameras", 16, 26, height_px=14)
    left = 270.0
    for name, (_, _, colour) in _CURVES.items():
        line(picture, [(left, 21), (left + 22, 21)], colour, 2)
        write(picture, name, left + 28, 26, height_px=12, colour=MUTED)
        left += 52 + text_width_px(name, 12)


def _plot(
    picture: Pixels,
    corner: tuple[int, int],
    axis: Axis,
    levels: Mapping[str, Mapping[str, Figures]],
) -> None:
    left, top = corner[0] + _LEFT, corner[1] + _TOP
    right, bottom = corner[0] + _WIDTH - _RIGHT, corner[1] + _HEIGHT - _BOTTOM
    write(picture, axis.title, left, top - 12, height_px=13)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * (bottom - top)
        line(picture, [(left, y), (right, y)], _GRID)
        text = f"{share:g}"
        at = left - 8 - text_width_px(text, 10)
        write(picture, text, at, y + 4, height_px=10, colour=MUTED)
    places = np.linspace(left + 20, right - 20, len(axis.levels))
    for level, x in zip(axis.levels, places, strict=True):
        half = text_width_px(level.name, 11) / 2
        write(picture, level.name, x - half, bottom + 18, height_px=11, colour=INK)
    # The most important one is drawn last, over the others.
    for source, path, colour in reversed(_CURVES.values()):
        values = [value_at(levels[one.name][source], path) for one in axis.levels]
        points = [
            (float(x), bottom - value * (bottom - top))
            for x, value in zip(places, values, strict=True)
            if value is not None
        ]
        _curve(picture, points, colour)


def _curve(
    picture: Pixels, points: Sequence[tuple[float, float]], colour: Colour
) -> None:
    line(picture, points, colour, 2)
    for point in points:
        dot(picture, point, 3, colour)
