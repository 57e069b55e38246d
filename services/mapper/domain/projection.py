"""From foot points in a picture to positions on the floor, with their covariance."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.mapper.domain.homography import FloatArray, Homography
from services.mapper.domain.lens import Optics

MAX_SIGMA_M = 5.0
"""Standard deviation on the floor above which a position means nothing, metres."""

MIN_HORIZON_SIGMAS = 3.0
"""Least distance from the vanishing line, in standard deviations of the point.

Nearer than this the mapping is too curved for a covariance of first order.
"""


class Outcome(IntEnum):
    """What became of a point: located, or the first reason why not."""

    LOCATED = 0
    NOT_VISIBLE = 1
    OUTSIDE_LENS = 2
    HORIZON = 3
    UNCERTAIN = 4


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
        outcomes: uint8, shape (N,), each an `Outcome`.
    """

    points_m: FloatArray
    covariances_m2: FloatArray
    outcomes: NDArray[np.uint8]

    @property
    def located(self) -> NDArray[np.bool_]:
        """Whether each position means anything: bool, shape (N,)."""
        located: NDArray[np.bool_] = self.outcomes == Outcome.LOCATED
        return located


def locate(
    feet: FootPoints,
    homography: Homography,
    bias_floor_m: float,
    optics: Optics | None = None,
) -> FloorPositions:
    """Locate foot points on the floor.

    A point is spread over `sigma / visibility` pixels: half-seen feet are known half
    as well. Its covariance on the floor is of first order (H&Z eq. 5.10),
    `J diag(sigma^2, sigma^2) J^T + bias_floor_m^2 I`, with the derivative `J` of the
    whole way: that of the homography times that of undoing the distortion.

    A point is not located when its visibility is 0, when the lens shows nothing
    there, when it lies on the vanishing line, beyond it or within
    `MIN_HORIZON_SIGMAS` of it, and when the larger standard deviation on the floor
    exceeds `MAX_SIGMA_M`.

    Args:
        feet: The points.
        homography: From pixels, undistorted with `optics`, to metres.
        bias_floor_m: Standard deviation of the camera's systematic error.
        optics: The camera's distortion; None for none.
    """
    points_px, slopes = feet.points_px, None
    if optics is not None:
        points_px, slopes = optics.undistort(points_px)
    seen = feet.visibilities > 0
    sigmas_px = feet.sigmas_px / np.where(seen, feet.visibilities, 1.0)
    clear = _clear_of_horizon(points_px, sigmas_px, homography, slopes)
    near = np.flatnonzero(seen & clear)
    outcomes = np.full(len(points_px), Outcome.HORIZON, dtype=np.uint8)
    outcomes[near] = Outcome.LOCATED
    if optics is not None:
        outcomes[np.isnan(points_px[:, 0])] = Outcome.OUTSIDE_LENS
    outcomes[~seen] = Outcome.NOT_VISIBLE
    jacobian = homography.jacobian(points_px[near])
    if slopes is not None:
        jacobian = jacobian @ slopes[near]
    spread = jacobian * sigmas_px[near, None, None]
    bias_m2 = bias_floor_m**2 * np.eye(2)
    points_m = np.full(points_px.shape, np.nan)
    covariances_m2 = np.full((len(points_px), 2, 2), np.nan)
    points_m[near] = homography.map_points(points_px[near])
    covariances_m2[near] = spread @ spread.transpose(0, 2, 1) + bias_m2
    vague = near[~(_largest_sigma_m(covariances_m2[near]) <= MAX_SIGMA_M)]
    outcomes[vague] = Outcome.UNCERTAIN
    points_m[vague], covariances_m2[vague] = np.nan, np.nan
    return FloorPositions(points_m, covariances_m2, outcomes)


def _clear_of_horizon(
    points_px: FloatArray,
    sigmas_px: FloatArray,
    homography: Homography,
    slopes: FloatArray | None,
) -> NDArray[np.bool_]:
    """Return which points lie far enough in front of the vanishing line."""
    gradients = homography.matrix[2:, :2]
    if slopes is not None:
        gradients = gradients @ slopes
    depth_per_px = np.hypot(gradients[..., 0, 0], gradients[..., 0, 1])
    depth = homography.homogeneous(points_px)[:, 2]
    clear: NDArray[np.bool_] = depth > MIN_HORIZON_SIGMAS * sigmas_px * depth_per_px
    return clear


def _largest_sigma_m(covariances_m2: FloatArray) -> FloatArray:
    """Return the square root of the larger eigenvalue of each 2x2 covariance."""
    xx, yy = covariances_m2[:, 0, 0], covariances_m2[:, 1, 1]
    xy = covariances_m2[:, 0, 1]
    variance = (xx + yy) / 2 + np.hypot((xx - yy) / 2, xy)
    sigma: FloatArray = np.sqrt(variance)
    return sigma
