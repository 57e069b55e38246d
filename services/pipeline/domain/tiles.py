"""Where to cut a frame for a detector."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels of a frame; the maximum edges are exclusive."""

    x_min: int
    y_min: int
    x_max: int
    y_max: int

    @property
    def width(self) -> int:
        """Width, pixels."""
        return self.x_max - self.x_min

    @property
    def height(self) -> int:
        """Height, pixels."""
        return self.y_max - self.y_min


@dataclass(frozen=True, slots=True)
class TilePolicy:
    """How a detector wants frames to be cut.

    Attributes:
        columns: Tiles across. Range: >= 1.
        rows: Tiles down. Range: >= 1.
        overlap: Part of a tile's side shared with its neighbour. Range: [0, 0.5].
    """

    columns: int = 1
    rows: int = 1
    overlap: float = 0.0


def tile_regions(width: int, height: int, policy: TilePolicy) -> list[Region]:
    """Return the tiles that cover a frame, row by row.

    Args:
        width: Width of the frame, pixels.
        height: Height of the frame, pixels.
        policy: How to cut it.

    >>> [(r.x_min, r.x_max) for r in tile_regions(100, 50, TilePolicy(2, 1, 0.5))]
    [(0, 67), (33, 100)]
    """
    columns = _spans(width, policy.columns, policy.overlap)
    rows = _spans(height, policy.rows, policy.overlap)
    return [
        Region(x_min, y_min, x_max, y_max)
        for y_min, y_max in rows
        for x_min, x_max in columns
    ]


def fitted_size_px(
    width: int, height: int, max_width: int, max_height: int
) -> tuple[int, int]:
    """Return the largest size of the same shape that fits, never an enlargement."""
    scale = min(1.0, max_width / width, max_height / height)
    return (
        min(max_width, max(1, round(width * scale))),
        min(max_height, max(1, round(height * scale))),
    )


def _spans(length: int, count: int, overlap: float) -> list[tuple[int, int]]:
    """Return begin and end of equal, overlapping parts of a line of pixels."""
    span = length / (count - (count - 1) * overlap)
    starts = [index * span * (1.0 - overlap) for index in range(count)]
    return [
        (math.floor(start), min(length, math.ceil(round(start + span, 6))))
        for start in starts
    ]
