"""Sizes, regions and boxes in images; origin top-left, x right, y down."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""Boxes, float32, shape (N, 4): x_min, y_min, x_max, y_max in pixels."""


@dataclass(frozen=True, slots=True)
class Size:
    """Extent of an image.

    Attributes:
        width: Pixels, at least 1.
        height: Pixels, at least 1.
    """

    width: int
    height: int

    def fits(self, limit: "Size") -> bool:
        """Return whether no side is longer than that of `limit`."""
        return self.width <= limit.width and self.height <= limit.height

    def scaled_into(self, limit: "Size") -> "Size":
        """Return the largest size of this shape that fits into `limit`.

        Nothing is enlarged: more pixels than there are would tell a model nothing.

        >>> Size(460, 576).scaled_into(Size(480, 480))
        Size(width=383, height=480)
        """
        scale = min(1.0, limit.width / self.width, limit.height / self.height)
        return Size(
            max(1, round(self.width * scale)), max(1, round(self.height * scale))
        )


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the full frame, in its pixels.

    Attributes:
        x_min: Left edge.
        y_min: Top edge.
        x_max: Right edge, greater than x_min.
        y_max: Bottom edge, greater than y_min.
    """

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def width(self) -> float:
        """Horizontal extent."""
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        """Vertical extent."""
        return self.y_max - self.y_min


def clip(boxes: Boxes, bounds: Boxes) -> Boxes:
    """Return the part of each box inside its bounds, without extent if there is none.

    Args:
        boxes: Any shape (..., 4).
        bounds: A shape (..., 4) that broadcasts against it.
    """
    least, most = bounds[..., :2], bounds[..., 2:]
    corners = (boxes[..., :2], boxes[..., 2:])
    return np.concatenate(
        [np.minimum(np.maximum(corner, least), most) for corner in corners], axis=-1
    )


def area(boxes: Boxes) -> NDArray[np.float32]:
    """Return the area of each box, square pixels, shape (...)."""
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return np.asarray(sides.prod(axis=-1), np.float32)


def overlap(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Return the intersection over union of boxes that broadcast, shape (...).

    >>> a = np.array([0, 0, 2, 2], np.float32)
    >>> float(overlap(a, a + [1, 0, 1, 0]))
    0.3333333432674408
    """
    least = np.maximum(first[..., :2], second[..., :2])
    most = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.maximum(most - least, 0.0).prod(axis=-1)
    union = area(first) + area(second) - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)
