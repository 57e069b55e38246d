"""What a batch of events adds to history: the rows of one transaction."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.columns import Columns
from services.analytics.domain.memory import TrackKey
from services.common.ids import CameraId, GlobalId, SessionId, TimelineId

CELL_M = 0.25
"""Side of the cells that presence is kept by, metres."""
SPEED_BIN_MPS = 0.1
"""Width of the bins that speeds are kept by, metres per second."""
FASTEST_BIN = 100
_MOST_CELLS = 2**30

CAME = ("entered", "appeared", "stayed")
"""How a visit begins: over the border, inside, or from the stay before."""
WENT = ("inside", "exited", "stayed")
"""How a visit ends: last seen inside, over the border, or into the next stay."""


@dataclass(slots=True)
class StayRow:
    """A stay that is new or goes on.

    Attributes:
        number: Of the stay within the environment.
        is_new: Whether it begins in this batch.
        start_us: Its first sample; meaningless unless it is new.
        end_us: Where it ends by now.
        samples: How many it gains.
        distance_m: By how much its path grows.
        handed_over: Whether another stay goes on.
        passage: Whether its first sample came into its cell.
    """

    number: int
    is_new: bool
    global_id: GlobalId
    session_id: SessionId
    timeline_id: TimelineId
    pass_number: int
    floor_id: str
    sole_track: TrackKey | None
    start_us: int
    end_us: int
    samples: int
    distance_m: float
    handed_over: bool
    passage: bool


@dataclass(slots=True)
class VisitRow:
    """A visit that is new or goes on; `samples` are those that it gains."""

    zone_key: int
    stay: int
    start_us: int
    end_us: int
    came: str
    went: str
    samples: int


@dataclass(frozen=True, slots=True)
class AppearanceRow:
    """An appearance that is new or goes on: a camera sees somebody during a stay."""

    camera_id: CameraId
    stay: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class CrossingRow:
    """A step over a tripwire; direction 1 from left to right, -1 back."""

    tripwire_key: int
    stay: int
    time_us: int
    direction: int


@dataclass(slots=True)
class PositionColumns:
    """Samples as rows of positions; every array has shape (N,)."""

    time_us: NDArray[np.int64]
    stay: NDArray[np.int64]
    frame_set: NDArray[np.int64]
    view: NDArray[np.int64]
    x_m: NDArray[np.float32]
    y_m: NDArray[np.float32]
    velocity_x_mps: NDArray[np.float32]
    velocity_y_mps: NDArray[np.float32]
    sigma_m: NDArray[np.float32]


@dataclass(slots=True)
class Tally:
    """Sums over rows that share a key.

    Attributes:
        keys: int64, shape (K, columns).
        sums: int64, shape (K, values).
    """

    keys: NDArray[np.int64]
    sums: NDArray[np.int64]


@dataclass(slots=True)
class Increment:
    """Everything that one transaction stores.

    Attributes:
        columns: The batch itself, for what is stored as it came.
        positions: All samples.
        stays: Stays touched, by number.
        visits: Visits touched.
        appearances: Appearances touched.
        crossings: Tripwires crossed.
        cells: Keys: index into `places`, hour, cell x and y. Sums: time in
            microseconds, passages.
        speeds: Keys: index into `places`, hour, bin. Sums: time in microseconds.
        places: Timeline and floor by index.
        memory: What the next batch needs, encoded.
    """

    columns: Columns
    positions: PositionColumns
    stays: dict[int, StayRow]
    visits: list[VisitRow]
    appearances: list[AppearanceRow]
    crossings: list[CrossingRow]
    cells: Tally
    speeds: Tally
    places: list[tuple[TimelineId, str]]
    memory: bytes = field(default=b"", repr=False)


def cells_of(x_m: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the cell of each coordinate; NaN gets one that means nothing.

    >>> cells_of(np.array([0.0, 0.25, -0.1])).tolist()
    [0, 1, -1]
    """
    cells = np.floor(np.nan_to_num(x_m, posinf=0.0, neginf=0.0) / CELL_M)
    return np.clip(cells, -_MOST_CELLS, _MOST_CELLS).astype(np.int64)


def speed_bins_of(speed_mps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each speed; NaN gets one that means nothing.

    >>> speed_bins_of(np.array([0.0, 1.25, 99.0])).tolist()
    [0, 12, 100]
    """
    bins = np.floor(np.nan_to_num(speed_mps, posinf=0.0) / SPEED_BIN_MPS)
    return np.minimum(bins, FASTEST_BIN).astype(np.int64)


def tally(keys: list[NDArray[np.int64]], values: list[NDArray[np.int64]]) -> Tally:
    """Return the sums of rows with equal keys, in the order of the keys.

    Args:
        keys: Columns of the key, shape (N,) each.
        values: What to add, shape (N,) each.
    """
    table = np.column_stack(keys)
    order = np.lexsort(table.T[::-1])
    table = table[order]
    if not len(table):
        return Tally(table, np.zeros((0, len(values)), np.int64))
    changes = np.any(table[1:] != table[:-1], axis=1)
    starts = np.concatenate(([0], np.flatnonzero(changes) + 1))
    sums = [np.add.reduceat(value[order], starts) for value in values]
    return Tally(table[starts], np.column_stack(sums))
