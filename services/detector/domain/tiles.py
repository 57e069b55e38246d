"""Cut a frame into overlapping tiles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.geometry import Region, Size

RgbImage = NDArray[np.uint8]
"""Pixels, uint8, shape (height, width, 3), RGB order."""


@dataclass(frozen=True, slots=True)
class TilePolicy:
    """How to cut frames.

    Attributes:
        columns: Tiles across, at least 1.
        rows: Tiles down, at least 1.
        overlap: Part of a tile's side shared with its neighbour, [0, 0.5].
    """

    columns: int
    rows: int
    overlap: float


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A part of a frame, as a picture.

    Attributes:
        pixels: The picture, possibly scaled.
        region: Part of the full frame that it shows.
    """

    pixels: RgbImage
    region: Region

    @property
    def size(self) -> Size:
        """Extent of the picture."""
        height, width = self.pixels.shape[:2]
        return Size(width, height)


def plan_tiles(frame: Size, policy: TilePolicy) -> tuple[Region, ...]:
    """Return the regions that cover a frame, row by row, with whole-pixel edges.

    >>> [(r.x_min, r.x_max) for r in plan_tiles(Size(90, 50), TilePolicy(2, 1, 0.2))]
    [(0, 50), (40, 90)]
    """
    return tuple(
        Region(x_min, y_min, x_max, y_max)
        for y_min, y_max in _spans(frame.height, policy.rows, policy.overlap)
        for x_min, x_max in _spans(frame.width, policy.columns, policy.overlap)
    )


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """Return `count` equal spans over `length`; fewer where it has too few pixels."""
    count = min(count, length)
    span = length / (count - (count - 1) * overlap)
    starts = [index * span * (1 - overlap) for index in range(count)]
    return [(int(start), min(length, round(start + span))) for start in starts]
