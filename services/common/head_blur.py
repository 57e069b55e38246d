"""Make heads unrecognisable in pictures that leave the system.

Where the detector found a face, its points say where the head is; else the upper part
of the box is taken, generously: hiding too much costs nothing.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An image: uint8, shape (height, width, 3)."""

Region = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max, pixels, origin top-left."""

_MOST_CELLS = 6
"""Cells that a region is averaged into, along each side: no face survives that."""

_HEAD_OF_HEIGHT = 0.08
"""Half the height of a head, as a part of the height of a standing person's box."""

_MARGIN = 0.06
"""How far heads reach out of boxes, as a part of the box's sides."""


def head_region(box: Region, face_points: Sequence[tuple[float, float]] = ()) -> Region:
    """Return where a person's head is.

    Args:
        box: The person, pixels.
        face_points: Nose, eyes and ears as far as they are seen, pixels.

    >>> head_region((0.0, 0.0, 40.0, 100.0))
    (-2.4, -6.0, 42.4, 25.0)
    """
    x_min, y_min, x_max, y_max = box
    width, height = x_max - x_min, y_max - y_min
    if face_points:
        return _around_face(np.asarray(face_points, np.float64), max(width, height))
    # The lower a box is for its width, the less is known about where the head is.
    depth = min(height, max(0.25 * height, 0.5 * width))
    return (
        x_min - _MARGIN * width,
        y_min - _MARGIN * height,
        x_max + _MARGIN * width,
        y_min + depth,
    )


def blur_regions(pixels: Pixels, regions: Sequence[Region]) -> Pixels:
    """Return a picture in which nothing can be made out inside some regions.

    Args:
        pixels: The picture; it is not changed.
        regions: Where to blur, pixels of the picture; what lies outside is left out.
    """
    height, width = pixels.shape[:2]
    blurred = pixels.copy()
    for x_min, y_min, x_max, y_max in regions:
        left, top = max(0, int(np.floor(x_min))), max(0, int(np.floor(y_min)))
        right, bottom = (
            min(width, int(np.ceil(x_max))),
            min(height, int(np.ceil(y_max))),
        )
        if right > left and bottom > top:
            part = blurred[top:bottom, left:right]
            part[:] = _averaged(part)
    return blurred


def _around_face(points: NDArray[np.float64], longest_side: float) -> Region:
    """Return a square around the points of a face."""
    x, y = points.mean(axis=0)
    spread = float(np.abs(points - (x, y)).max())
    radius = max(1.8 * spread, _HEAD_OF_HEIGHT * longest_side)
    return float(x - radius), float(y - radius), float(x + radius), float(y + radius)


def _averaged(part: Pixels) -> Pixels:
    """Return the averages of a few cells, spread over the whole part again."""
    height, width = part.shape[:2]
    cells = (min(_MOST_CELLS, width), min(_MOST_CELLS, height))
    coarse = cv2.resize(part, cells, interpolation=cv2.INTER_AREA)
    spread = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return spread.astype(np.uint8, copy=False)
