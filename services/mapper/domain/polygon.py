"""Polygons, by their corners in order."""

import numpy as np
from numpy.typing import NDArray

from services.mapper.domain.homography import FloatArray

MIN_AREA = 1e-9
"""Area below which a polygon encloses nothing, squared unit of the corners."""


def is_simple(corners: FloatArray) -> bool:
    """Return whether a polygon encloses one area and its edges meet at corners only.

    Args:
        corners: float64, shape (N, 2), N >= 3, without repeating the first.

    >>> is_simple(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    True
    >>> is_simple(np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    False
    """
    centred = corners - corners.mean(axis=0)
    ends = np.roll(centred, -1, axis=0)
    if abs(_cross(centred, ends).sum()) / 2 < MIN_AREA:
        return False
    first, second = np.triu_indices(len(centred), k=1)
    touching = _segments_touch(
        centred[first], ends[first], centred[second], ends[second]
    )
    gap = second - first
    adjacent = (gap == 1) | (gap == len(centred) - 1)
    if np.any(touching & ~adjacent):
        return False
    return not _has_spike(centred, ends)


def _has_spike(starts: FloatArray, ends: FloatArray) -> bool:
    """Return whether two neighbouring edges lie on each other or one has no length."""
    incoming = ends - starts
    outgoing = np.roll(incoming, -1, axis=0)
    if np.any(np.all(incoming == 0, axis=1)):
        return True
    folded = (_cross(incoming, outgoing) == 0) & (
        np.einsum("ij,ij->i", incoming, outgoing) < 0
    )
    return bool(np.any(folded))


def _segments_touch(
    a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray
) -> NDArray[np.bool_]:
    """Return whether segments a-b and c-d share a point, pairwise."""
    side_c, side_d = _cross(b - a, c - a), _cross(b - a, d - a)
    side_a, side_b = _cross(d - c, a - c), _cross(d - c, b - c)
    straddle = (np.sign(side_c) * np.sign(side_d) <= 0) & (
        np.sign(side_a) * np.sign(side_b) <= 0
    )
    boxes_meet = np.all(
        (np.minimum(a, b) <= np.maximum(c, d)) & (np.minimum(c, d) <= np.maximum(a, b)),
        axis=1,
    )
    touching: NDArray[np.bool_] = straddle & boxes_meet
    return touching


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    product: FloatArray = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return product
