"""Areas of the floor where people spend their time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from services.analytics.domain.figures.heat import BASE_CELL_M, Heat
from services.common.errors import InvalidInput

FloatArray = NDArray[np.float64]

DEFAULT_RADIUS_M = 1.0
RADII_M = (BASE_CELL_M, 20.0)
MAX_PAIRS = 40_000_000
"""Most pairs of neighbours that are looked at; bounds the memory."""

_ROUNDING = 1 + 1e-9


@dataclass(frozen=True, slots=True)
class Area:
    """A cluster of cells.

    Attributes:
        centre_m: Mean of the cells' centres, weighted by dwell.
        hull_m: Corners of their convex hull, counter-clockwise.
        dwell_us: Time spent in them, microseconds.
        passages: How often somebody came into one of them.
        cells: How many they are.
    """

    centre_m: tuple[float, float]
    hull_m: tuple[tuple[float, float], ...]
    dwell_us: int
    passages: int
    cells: int


@dataclass(frozen=True, slots=True)
class Areas:
    """Where people spend their time.

    Attributes:
        found: Areas, longest dwell first.
        elsewhere_us: Time spent in no area, microseconds.
    """

    found: tuple[Area, ...]
    elsewhere_us: int


def frequent_areas(heat: Heat, radius_m: float, min_dwell_us: int) -> Areas:
    """Return the clusters of cells, by DBSCAN (Ester et al., 1996).

    Args:
        heat: Base cells, by row, then column.
        radius_m: Distance within which cells are neighbours, itself included.
        min_dwell_us: Dwell of a cell and its neighbours that makes it a core.

    Raises:
        InvalidInput: A parameter is out of range.
    """
    lived = heat.dwell_us > 0
    cells = np.stack((heat.column, heat.row), axis=1)[lived]
    dwell_us, passages = heat.dwell_us[lived], heat.passages[lived]
    _require_parameters(radius_m, min_dwell_us, len(cells))
    centres_m = (cells.astype(np.float64) + 0.5) * BASE_CELL_M
    labels = _clusters(centres_m, dwell_us, radius_m, min_dwell_us)
    areas = [
        _area(
            centres_m[labels == one], dwell_us[labels == one], passages[labels == one]
        )
        for one in range(int(labels.max(initial=-1)) + 1)
    ]
    areas.sort(key=lambda area: -area.dwell_us)
    return Areas(tuple(areas), int(dwell_us[labels < 0].sum()))


def _require_parameters(radius_m: float, min_dwell_us: int, cells: int) -> None:
    least_m, most_m = RADII_M
    if not least_m <= radius_m <= most_m:
        message = f"must be from {least_m} to {most_m:g}, got {radius_m:g}"
        raise InvalidInput(message, field="radius_m")
    if min_dwell_us < 1:
        raise InvalidInput("must be larger than 0", field="min_dwell")
    neighbours = np.pi * (radius_m / BASE_CELL_M + 1) ** 2
    if cells * min(neighbours, cells) > MAX_PAIRS:
        message = f"is too large for the {cells} cells in which somebody was"
        raise InvalidInput(message, field="radius_m")


def _clusters(
    centres_m: FloatArray, dwell_us: NDArray[np.int64], radius_m: float, least_us: int
) -> NDArray[np.int64]:
    """Return the cluster of each cell, -1 for none."""
    if not len(centres_m):
        return np.zeros(0, np.int64)
    found = DBSCAN(eps=radius_m * _ROUNDING, min_samples=least_us).fit(
        centres_m, sample_weight=dwell_us
    )
    labels: NDArray[np.int64] = found.labels_
    return labels


def _area(
    centres_m: FloatArray, dwell_us: NDArray[np.int64], passages: NDArray[np.int64]
) -> Area:
    x_m, y_m = np.average(centres_m, axis=0, weights=dwell_us).tolist()
    return Area(
        centre_m=(x_m, y_m),
        hull_m=convex_hull(centres_m),
        dwell_us=int(dwell_us.sum()),
        passages=int(passages.sum()),
        cells=len(centres_m),
    )


def convex_hull(points_m: FloatArray) -> tuple[tuple[float, float], ...]:
    """Return the corners of the convex hull, counter-clockwise (Andrew, 1979).

    Args:
        points_m: float64, shape (N, 2), N >= 1.

    >>> convex_hull(np.array([[0.0, 0], [2, 0], [1, 1], [2, 2], [0, 2]]))
    ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
    """
    points = [(x, y) for x, y in np.unique(points_m, axis=0).tolist()]
    if len(points) < 3:
        return tuple(points)
    lower, upper = _chain(points), _chain(points[::-1])
    return (*lower[:-1], *upper[:-1])


def _chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return one side of the hull of points that are in order."""
    chain: list[tuple[float, float]] = []
    for x, y in points:
        while len(chain) > 1:
            (x0, y0), (x1, y1) = chain[-2:]
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain
