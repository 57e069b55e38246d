"""From foot points in a picture to positions on the floor, with their covariance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.mapper.domain.homography import FloatArray, Homography

MAX_SIGMA_M = 5.0
"""Standard deviation on the floor above which a position means nothing, metres."""

MIN_HORIZON_SIGMAS = 3.0
"""Least distance from the vanishing line, in standard deviations of the point.

Nearer than this the mapping is too curved for a covariance of first order.
"""


@dataclass(frozen=True, slots=True)
class FootPoints:
    """Where people touch the floor in one picture.

    Attributes:
        points_px: float64, shape (N, 2), image frame.
        sigmas_px: float64, shape (N,), standard deviation in each direction.
        visibilities: float64, shape (N,), share of the feet that is seen, [0, 1].
    """

    points_px: FloatArray
    sigmas_px: FloatArray
    visibilities: FloatArray


@dataclass(frozen=True, slots=True)
class FloorPositions:
    """Where those people stand.

    Attributes:
        points_m: float64, shape (N, 2), floor frame; NaN where not located.
        covariances_m2: float64, shape (N, 2, 2), floor frame; NaN where not located.
        located: bool, shape (N,), whether the position means anything.
    """

    points_m: FloatArray
    covariances_m2: FloatArray
    located: NDArray[np.bool_]


def locate(
    feet: FootPoints, homography: Homography, bias_floor_m: float
) -> FloorPositions:
    """Locate foot points on the floor.

    A point is spread over `sigma / visibility` pixels: half-seen feet are known half
    as well. Its covariance on the floor is of first order (H&Z eq. 5.10),
    `J diag(sigma^2, sigma^2) J^T + bias_floor_m^2 I`.

    A point is not located when its visibility is 0, when it lies on the vanishing
    line, beyond it or within `MIN_HORIZON_SIGMAS` of it, and when the larger
    standard deviation on the floor exceeds `MAX_SIGMA_M`.

    Args:
        feet: The points.
        homography: From pixels to metres.
        bias_floor_m: Standard deviation of the camera's systematic error.
    """
    count = len(feet.points_px)
    points_m = np.full((count, 2), np.nan)
    covariances_m2 = np.full((count, 2, 2), np.nan)
    seen = feet.visibilities > 0
    sigmas_px = np.full(count, np.inf)
    sigmas_px[seen] = feet.sigmas_px[seen] / feet.visibilities[seen]
    near = np.flatnonzero(
        seen & _clear_of_horizon(feet.points_px, sigmas_px, homography)
    )
    jacobian = homography.jacobian(feet.points_px[near])
    spread = jacobian * sigmas_px[near, None, None]
    points_m[near] = homography.map_points(feet.points_px[near])
    covariances_m2[near] = spread @ spread.transpose(
        0, 2, 1
    ) + bias_floor_m**2 * np.eye(2)
    located = np.zeros(count, dtype=np.bool_)
    located[near] = _largest_sigma_m(covariances_m2[near]) <= MAX_SIGMA_M
    points_m[~located] = np.nan
    covariances_m2[~located] = np.nan
    return FloorPositions(points_m, covariances_m2, located)


def _clear_of_horizon(
    points_px: FloatArray, sigmas_px: FloatArray, homography: Homography
) -> NDArray[np.bool_]:
    """Return which points lie far enough in front of the vanishing line."""
    depth = homography.homogeneous(points_px)[:, 2]
    depth_per_px = float(np.linalg.norm(homography.matrix[2, :2]))
    limit = np.zeros(len(depth))
    if depth_per_px > 0:
        limit = MIN_HORIZON_SIGMAS * sigmas_px * depth_per_px
    clear: NDArray[np.bool_] = depth > limit
    return clear


def _largest_sigma_m(covariances_m2: FloatArray) -> FloatArray:
    """Return the square root of the larger eigenvalue of each 2x2 covariance."""
    xx, yy = covariances_m2[:, 0, 0], covariances_m2[:, 1, 1]
    xy = covariances_m2[:, 0, 1]
    variance = (xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
    sigma: FloatArray = np.sqrt(variance)
    return sigma
