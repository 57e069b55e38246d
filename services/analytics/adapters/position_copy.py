"""Positions as PostgreSQL's binary COPY format, a whole batch at once.

Rows of one shape (with a velocity, without, without a position) have one width, so
they are columns of one packed array, and no value is encoded by itself.
"""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.increment import PositionColumns

COPY_POSITIONS = """
    COPY positions (
        capture_time, stay_id, frame_set, view_id,
        x_m, y_m, sigma_m, velocity_x_mps, velocity_y_mps
    ) FROM STDIN (FORMAT binary)
"""
_HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_FIRST_US = 946_684_800_000_000
"""Start of PostgreSQL's time, 2000-01-01, microseconds since 1970."""
_WIDE = ("time_us", "stay", "frame_set")
_PLACE = ("x_m", "y_m", "sigma_m")
_VELOCITY = ("velocity_x_mps", "velocity_y_mps")
_FIELDS = 4 + len(_PLACE) + len(_VELOCITY)


def copy_blocks(positions: PositionColumns, stay_base: int) -> Iterator[bytes]:
    """Yield the data of a COPY, in as many blocks as there are shapes.

    Args:
        positions: The rows.
        stay_base: Added to the numbers of stays.
    """
    yield _HEADER
    located = ~np.isnan(positions.x_m)
    moving = located & ~(
        np.isnan(positions.velocity_x_mps) | np.isnan(positions.velocity_y_mps)
    )
    for rows, present in (
        (moving, {*_PLACE, *_VELOCITY}),
        (located & ~moving, {*_PLACE}),
        (~located, set[str]()),
    ):
        if rows.any():
            yield _packed(positions, stay_base, rows, present).tobytes()
    yield _TRAILER


def _packed(
    positions: PositionColumns,
    stay_base: int,
    rows: NDArray[np.bool_],
    present: set[str],
) -> NDArray[np.void]:
    """Return rows of one shape; a field is its length, then its value if it has one."""
    names: list[tuple[str, Any]] = [("fields", ">i2")]
    for name in _WIDE:
        names += [(f"{name}_length", ">i4"), (name, ">i8")]
    names += [("view_length", ">i4"), ("view", ">i4")]
    for name in (*_PLACE, *_VELOCITY):
        names.append((f"{name}_length", ">i4"))
        if name in present:
            names.append((name, ">f4"))
    packed = np.empty(int(rows.sum()), np.dtype(names))
    packed["fields"] = _FIELDS
    packed["time_us"] = positions.time_us[rows] - _FIRST_US
    packed["stay"] = positions.stay[rows] + stay_base
    packed["frame_set"] = positions.frame_set[rows]
    packed["view"], packed["view_length"] = positions.view[rows], 4
    for name in _WIDE:
        packed[f"{name}_length"] = 8
    for name in (*_PLACE, *_VELOCITY):
        packed[f"{name}_length"] = 4 if name in present else -1
        if name in present:
            packed[name] = getattr(positions, name)[rows]
    return packed
