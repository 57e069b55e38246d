"""Sets of four points in general position: no three of them on one line."""

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from services.mapper.domain.homography import FloatArray

COLLINEARITY = 0.005
"""Height of a triangle, as a share of its longest side, below which it is a line."""

_MAX_SAMPLES = 500
_SEED = 20110
_TRIPLES = ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))


def general_quadruples(image_px: FloatArray, floor_m: FloatArray) -> NDArray[np.intp]:
    """Return sets of four points, none with three on a line in picture or floor.

    All sets when there are few; else a sample, the same for the same number of
    points. With half of the points wrong, 500 samples miss every good set with a
    probability below 1e-13 (H&Z eq. 4.18).

    Args:
        image_px: float64, shape (N, 2), image frame.
        floor_m: float64, shape (N, 2), floor frame.

    Returns:
        intp, shape (K, 4), indices into the points; K may be 0.
    """
    candidates = _candidates(len(image_px))
    general = _in_general_position(image_px[candidates]) & _in_general_position(
        floor_m[candidates]
    )
    chosen: NDArray[np.intp] = candidates[general]
    return chosen


def _candidates(count: int) -> NDArray[np.intp]:
    if comb(count, 4) <= _MAX_SAMPLES:
        sets = list(combinations(range(count), 4))
        return np.array(sets, dtype=np.intp).reshape(-1, 4)
    generator = np.random.default_rng(_SEED)
    keys = generator.random((_MAX_SAMPLES, count))
    return np.argpartition(keys, 4, axis=1)[:, :4]


def _in_general_position(quadruples: FloatArray) -> NDArray[np.bool_]:
    """Return, for points of shape (K, 4, 2), whether no three are on a line."""
    general = np.ones(len(quadruples), dtype=np.bool_)
    for triple in _TRIPLES:
        a, b, c = (quadruples[:, index] for index in triple)
        general &= _relative_height(a, b, c) > COLLINEARITY
    return general


def _relative_height(a: FloatArray, b: FloatArray, c: FloatArray) -> FloatArray:
    """Return the triangles' height over the longest side, divided by that side."""
    sides = np.stack([b - a, c - b, a - c])
    longest_squared = np.square(sides).sum(axis=2).max(axis=0)
    doubled_area = np.abs(
        sides[0, :, 0] * sides[1, :, 1] - sides[0, :, 1] * sides[1, :, 0]
    )
    height: FloatArray = np.divide(
        doubled_area,
        longest_squared,
        out=np.zeros_like(doubled_area),
        where=longest_squared > 0,
    )
    return height
