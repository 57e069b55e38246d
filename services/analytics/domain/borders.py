"""Zones and tripwires: who is inside, and who crossed."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the floor, as it was for some time.

    Attributes:
        key: Names this version of the zone.
        floor_id: Level.
        corners_m: Corners in order, without repeating the first; N >= 3.
    """

    key: int
    floor_id: str
    corners_m: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Tripwire:
    """A directed line on the floor, as it was for some time.

    Attributes:
        key: Names this version of the tripwire.
        floor_id: Level.
        start_m: Where it begins.
        end_m: Where it ends.
    """

    key: int
    floor_id: str
    start_m: tuple[float, float]
    end_m: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Borders:
    """All zones and tripwires of an environment that hold now."""

    zones: tuple[Zone, ...] = field(default=())
    tripwires: tuple[Tripwire, ...] = field(default=())


def inside(
    corners_m: tuple[tuple[float, float], ...], x_m: FloatArray, y_m: FloatArray
) -> BoolArray:
    """Return which points lie in a polygon, by the even-odd rule.

    Half-open: of two polygons that share an edge, a point on it is in one.

    Args:
        corners_m: Corners in order.
        x_m: float64, shape (N,); NaN is outside.
        y_m: float64, shape (N,).

    >>> square = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    >>> inside(square, np.array([0.5, 1.5, 0.0, 1.0]), np.array([0.5] * 4)).tolist()
    [True, False, True, False]
    """
    found = np.zeros(len(x_m), np.bool_)
    with np.errstate(invalid="ignore"):
        for (x_0, y_0), (x_1, y_1) in zip(
            corners_m, corners_m[1:] + corners_m[:1], strict=True
        ):
            if y_0 == y_1:
                continue
            straddles = (y_0 > y_m) != (y_1 > y_m)
            at_x = x_0 + (y_m - y_0) * ((x_1 - x_0) / (y_1 - y_0))
            found ^= straddles & (x_m < at_x)
    return found


def crossed(
    tripwire: Tripwire,
    from_m: tuple[FloatArray, FloatArray],
    to_m: tuple[FloatArray, FloatArray],
) -> NDArray[np.int8]:
    """Return how each step crosses a tripwire.

    On the line counts as right of it, and the wire's end is not part of it.

    Args:
        tripwire: The tripwire.
        from_m: x and y before the steps, float64, shape (N,) each.
        to_m: x and y after the steps.

    Returns:
        int8, shape (N,): 1 from left to right, -1 back, 0 for no crossing.

    >>> wire = Tripwire(1, "ground", (0.0, 0.0), (0.0, 2.0))
    >>> west, east = np.array([-1.0]), np.array([1.0])
    >>> north = np.array([1.0])
    >>> int(crossed(wire, (west, north), (east, north))[0])
    1
    >>> int(crossed(wire, (east, north), (west, north))[0])
    -1
    >>> int(crossed(wire, (west, north * 3), (east, north * 3))[0])
    0
    """
    (a_x, a_y), (b_x, b_y) = tripwire.start_m, tripwire.end_m
    along_x, along_y = b_x - a_x, b_y - a_y
    before = along_x * (from_m[1] - a_y) - along_y * (from_m[0] - a_x)
    after = along_x * (to_m[1] - a_y) - along_y * (to_m[0] - a_x)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = before / (before - after)
        x_m = from_m[0] + share * (to_m[0] - from_m[0])
        y_m = from_m[1] + share * (to_m[1] - from_m[1])
        place = (x_m - a_x) * along_x + (y_m - a_y) * along_y
        on_wire = (place >= 0) & (place < along_x**2 + along_y**2)
        rightwards = (before > 0) & (after <= 0) & on_wire
        leftwards = (before <= 0) & (after > 0) & on_wire
    return rightwards.astype(np.int8) - leftwards.astype(np.int8)
