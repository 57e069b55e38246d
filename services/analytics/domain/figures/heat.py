"""Where on the floor people are, in cells of a grid that begins at its origin."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.span import IntArray
from services.common.errors import InvalidInput

BASE_CELL_M = 0.25
"""Side of the cells that history keeps, metres."""

DEFAULT_CELL_M = 0.5
MAX_CELL_M = 50.0
MAX_CELLS = 250_000
"""Most cells of one answer."""

_COLUMNS = 2**32


@dataclass(frozen=True, slots=True)
class Heat:
    """Cells in which somebody was; all arrays have the shape (N,).

    Attributes:
        column: int64, `floor(x / side)`.
        row: int64, `floor(y / side)`.
        passages: int64, how often somebody came into one of its base cells.
        dwell_us: int64, time that persons spent in it, microseconds.
    """

    column: IntArray
    row: IntArray
    passages: IntArray
    dwell_us: IntArray

    def __len__(self) -> int:
        return len(self.column)


def cells_per_side(cell_size_m: float) -> int:
    """Return how many base cells make the side of a cell.

    Args:
        cell_size_m: Side wanted, metres; 0 means the default.

    Raises:
        InvalidInput: It is not a multiple of the base cell, too small or too large.

    >>> cells_per_side(0.75)
    3
    """
    size_m = cell_size_m or DEFAULT_CELL_M
    if not BASE_CELL_M <= size_m <= MAX_CELL_M:
        message = f"must be from {BASE_CELL_M} to {MAX_CELL_M:g}, got {size_m:g}"
        raise InvalidInput(message, field="cell_size_m")
    if size_m % BASE_CELL_M:
        message = f"must be a multiple of {BASE_CELL_M}, got {size_m:g}"
        raise InvalidInput(message, field="cell_size_m")
    return round(size_m / BASE_CELL_M)


def summed(parts: list[Heat], side: int = 1) -> Heat:
    """Return cells added up, by row, then column.

    Args:
        parts: Base cells; the same one may come several times.
        side: Base cells that make the side of a cell.

    >>> one = Heat(*(np.array([value]) for value in (-1, 3, 2, 500)))
    >>> both = summed([one, one], side=2)
    >>> both.column.tolist(), both.row.tolist(), both.dwell_us.tolist()
    ([-1], [1], [1000])
    """
    if not parts:
        return Heat(*(np.zeros(0, np.int64) for _ in range(4)))
    column = np.concatenate([part.column for part in parts]) // side
    row = np.concatenate([part.row for part in parts]) // side
    passages = np.concatenate([part.passages for part in parts])
    dwell_us = np.concatenate([part.dwell_us for part in parts])
    keys, which = np.unique(_key(column, row), return_inverse=True)
    totals = np.zeros((2, len(keys)), np.int64)
    np.add.at(totals[0], which, passages)
    np.add.at(totals[1], which, dwell_us)
    kept = (totals > 0).any(axis=0)
    row, column = np.divmod(keys[kept], _COLUMNS)
    return Heat(column - _COLUMNS // 2, row, totals[0][kept], totals[1][kept])


def _key(column: IntArray, row: IntArray) -> IntArray:
    """Return one number for each cell, in the order of rows, then columns."""
    return row * _COLUMNS + column + _COLUMNS // 2


def require_few(heat: Heat) -> Heat:
    """Return the cells if one answer can hold them.

    Raises:
        InvalidInput: There are too many.
    """
    if len(heat) > MAX_CELLS:
        message = f"gives {len(heat)} cells, more than {MAX_CELLS}; choose larger ones"
        raise InvalidInput(message, field="cell_size_m")
    return heat
