"""Parts of a picture in which people are ignored."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def outside_masks(
    foot_points_px: npt.NDArray[np.floating],
    masks: Sequence[npt.NDArray[np.floating]],
) -> npt.NDArray[np.bool_]:
    """Return which points lie in no mask.

    Args:
        foot_points_px: Points in the full frame, pixels, shape (N, 2).
        masks: Polygons in the full frame, pixels, each of shape (corners, 2), the
            first corner not repeated. A polygon that crosses itself covers what a
            ray leaves through an odd number of edges.

    Returns:
        One value for each point, shape (N,).

    >>> square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    >>> outside_masks(np.array([[2.0, 2.0], [5.0, 2.0]]), [square])
    array([False,  True])
    """
    outside = np.ones(len(foot_points_px), dtype=np.bool_)
    for polygon in masks:
        outside &= ~_inside(foot_points_px, polygon)
    return outside


def _inside(
    points: npt.NDArray[np.floating], polygon: npt.NDArray[np.floating]
) -> npt.NDArray[np.bool_]:
    """Cast a ray from each point to the right and count the edges that it crosses."""
    x, y = points[:, :1], points[:, 1:]
    x_from, y_from = polygon[:, 0], polygon[:, 1]
    x_to, y_to = np.roll(polygon, -1, axis=0).T
    crosses = (y_from > y) != (y_to > y)
    rise = np.where(y_to == y_from, 1.0, y_to - y_from)
    x_cross = x_from + (y - y_from) * (x_to - x_from) / rise
    odd: npt.NDArray[np.bool_] = (crosses & (x < x_cross)).sum(axis=1) % 2 == 1
    return odd
