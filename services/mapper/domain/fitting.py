"""A homography from point pairs, robust against wrongly marked points.

Random sample consensus (Fischler and Bolles 1981) over minimal sets of four points,
scored as MSAC (Torr and Zisserman 2000, eq. 11), each set solved by the normalised
direct linear transformation (H&Z algorithm 4.2); then refined on all inliers by
Levenberg-Marquardt on the distances on the floor (H&Z section 4.2.3).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput
from services.mapper.domain.direct_linear import (
    direct_linear,
    equation_condition,
    floor_distances_m,
)
from services.mapper.domain.homography import FloatArray
from services.mapper.domain.refinement import refine
from services.mapper.domain.samples import general_quadruples

DEFAULT_INLIER_THRESHOLD_M = 0.25
"""Distance on the floor up to which a point agrees, metres."""

_MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted homography and how well it fits.

    Attributes:
        matrix: float64, shape (3, 3), pixels to metres; the last value is 1.
        distances_m: float64, shape (N,), distance on the floor between the given and
            the mapped point; infinite for points on or beyond the horizon.
        inliers: bool, shape (N,), whether the fit used the point.
        condition_number: Condition of the normalised equations of the inliers.
    """

    matrix: FloatArray
    distances_m: FloatArray
    inliers: NDArray[np.bool_]
    condition_number: float

    @property
    def residual_rms_m(self) -> float:
        """Root mean square distance of the inliers, metres."""
        return float(np.sqrt(np.mean(self.distances_m[self.inliers] ** 2)))


def fit_homography(
    image_px: FloatArray, floor_m: FloatArray, inlier_threshold_m: float, *, field: str
) -> Fit:
    """Fit a homography to point pairs; the same points always give the same fit.

    Args:
        image_px: float64, shape (N, 2), image frame.
        floor_m: float64, shape (N, 2), floor frame.
        inlier_threshold_m: Distance up to which a point agrees, metres.
        field: Path of the request field that holds the pairs.

    Raises:
        InvalidInput: There are fewer than four distinct pairs, no four of them are
            free of three on a line, or they do not agree on any homography.
    """
    _require_distinct(image_px, floor_m, field)
    quadruples = general_quadruples(image_px, floor_m)
    if not len(quadruples):
        message = "any four of them have three on one line or the same point twice"
        raise InvalidInput(message, field=field)
    matrix = _best_of(quadruples, image_px, floor_m, inlier_threshold_m)
    inliers = floor_distances_m(matrix, image_px, floor_m) <= inlier_threshold_m
    for _ in range(_MAX_ROUNDS):
        _require_agreement(inliers, image_px, floor_m, field)
        matrix = refine(matrix, image_px[inliers], floor_m[inliers])
        distances_m = floor_distances_m(matrix, image_px, floor_m)
        agreeing = distances_m <= inlier_threshold_m
        if np.array_equal(agreeing, inliers):
            break
        inliers = agreeing
    _require_agreement(inliers, image_px, floor_m, field)
    return Fit(
        matrix=_scaled(matrix, field),
        distances_m=distances_m,
        inliers=inliers,
        condition_number=equation_condition(image_px[inliers], floor_m[inliers]),
    )


def _best_of(
    quadruples: NDArray[np.intp],
    image_px: FloatArray,
    floor_m: FloatArray,
    inlier_threshold_m: float,
) -> FloatArray:
    """Return the homography of the quadruple with the least truncated cost."""
    matrices = direct_linear(image_px[quadruples], floor_m[quadruples])
    distances_m = floor_distances_m(matrices, image_px, floor_m)
    costs = np.minimum(distances_m, inlier_threshold_m) ** 2
    best: FloatArray = matrices[np.argmin(costs.sum(axis=1))]
    return best


def _require_distinct(image_px: FloatArray, floor_m: FloatArray, field: str) -> None:
    for points, where in ((image_px, "in the picture"), (floor_m, "on the floor")):
        distinct = len(np.unique(points, axis=0))
        if distinct < 4:
            message = f"needs 4 or more distinct points {where}, got {distinct}"
            raise InvalidInput(message, field=field)


def _require_agreement(
    inliers: NDArray[np.bool_], image_px: FloatArray, floor_m: FloatArray, field: str
) -> None:
    """Refuse a fit that no point supports beyond the four which define it."""
    count = int(inliers.sum())
    if count < min(5, len(inliers)):
        message = f"do not agree: no homography fits more than {count} of them"
        raise InvalidInput(message, field=field)
    if not len(general_quadruples(image_px[inliers], floor_m[inliers])):
        message = "those that agree are nearly on one line"
        raise InvalidInput(message, field=field)


def _scaled(matrix: FloatArray, field: str) -> FloatArray:
    if abs(matrix[2, 2]) < 1e-12 * np.abs(matrix).max():
        message = "put the picture's origin on the horizon"
        raise InvalidInput(message, field=field)
    scaled: FloatArray = matrix / matrix[2, 2]
    return scaled
