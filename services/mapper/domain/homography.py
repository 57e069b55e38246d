"""The homography between a picture and the floor.

Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition,
chapter 2 (projective transformations) and section 8.6 (vanishing lines); below
"H&Z".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.errors import InvalidInput

FloatArray = NDArray[np.float64]

MAX_CONDITION = 1e6
"""Condition number of the normalised homography from which it is degenerate."""


@dataclass(frozen=True, slots=True)
class Homography:
    """Maps pixels of a picture to metres on the floor.

    The matrix is scaled so that the third homogeneous coordinate is positive on the
    side of the vanishing line where the floor lies.

    Attributes:
        matrix: float64, shape (3, 3), full-frame pixels to floor metres.
    """

    matrix: FloatArray

    def homogeneous(self, points_px: FloatArray) -> FloatArray:
        """Map points without dividing.

        Args:
            points_px: float64, shape (N, 2), image frame.

        Returns:
            float64, shape (N, 3). The last column is positive in front of the
            vanishing line, 0 on it and negative beyond.
        """
        mapped: FloatArray = points_px @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped

    def map_points(self, points_px: FloatArray) -> FloatArray:
        """Map points to the floor; points on or beyond the horizon become NaN.

        Args:
            points_px: float64, shape (N, 2), image frame.

        Returns:
            float64, shape (N, 2), floor frame, metres.

        >>> half_metre = Homography(np.diag([0.5, 0.5, 1.0]))
        >>> half_metre.map_points(np.array([[4.0, 2.0]])).tolist()
        [[2.0, 1.0]]
        """
        mapped = self.homogeneous(points_px)
        depth = np.where(mapped[:, 2] > 0, mapped[:, 2], np.nan)
        floor_m: FloatArray = mapped[:, :2] / depth[:, None]
        return floor_m

    def jacobian(self, points_px: FloatArray) -> FloatArray:
        """Return the derivative of the floor position by the pixel (H&Z eq. 5.10).

        With X = (x, y, w) = H (u, v, 1), d(x/w)/du = (h11 - (x/w) h31) / w.

        Args:
            points_px: float64, shape (N, 2), image frame, in front of the horizon.

        Returns:
            float64, shape (N, 2, 2), metres per pixel; rows are floor axes.
        """
        mapped = self.homogeneous(points_px)
        depth = mapped[:, 2, None, None]
        floor_m = mapped[:, :2, None] / depth
        linear: FloatArray = (
            self.matrix[None, :2, :2] - floor_m * self.matrix[None, 2:, :2]
        ) / depth
        return linear


def checked_homography(
    values: tuple[float, ...],
    width_px: int,
    height_px: int,
    *,
    marked_px: FloatArray | None = None,
    field: str,
) -> Homography:
    """Return the homography that nine numbers stand for, if it is a usable one.

    The floor is taken to lie on that side of the vanishing line where most of the
    marked points are or, when there are none, the middle of the lower edge.

    Args:
        values: Nine numbers, row by row, at any scale.
        width_px: Width of the picture that it holds for.
        height_px: Height of that picture.
        marked_px: float64, shape (N, 2), pixels known to show the floor, or None.
        field: Path of the request field that holds the values.

    Raises:
        InvalidInput: It is not finite, singular or degenerate, or its horizon
            splits the marked points evenly or meets the middle of the lower edge.
    """
    matrix = _finite_matrix(values, field)
    if marked_px is None or not len(marked_px):
        marked_px = np.array([[width_px / 2, float(height_px)]])
    sides = np.sign(Homography(matrix).homogeneous(marked_px)[:, 2])
    side = np.sign(sides.sum())
    if side == 0:
        message = "puts the horizon through points that show the floor"
        raise InvalidInput(message, field=field)
    oriented = Homography(matrix * side)
    anchor_px = marked_px[sides == side].mean(axis=0, keepdims=True)
    if not _condition(oriented, anchor_px, width_px, height_px) <= MAX_CONDITION:
        message = "is singular or nearly so: it squeezes the picture onto a line"
        raise InvalidInput(message, field=field)
    return oriented


def _finite_matrix(values: tuple[float, ...], field: str) -> FloatArray:
    if len(values) != 9:
        raise InvalidInput(f"needs 9 values, got {len(values)}", field=field)
    matrix = np.array(values, dtype=np.float64).reshape(3, 3)
    if not np.all(np.isfinite(matrix)):
        raise InvalidInput("has values that are not finite", field=field)
    largest = np.abs(matrix).max()
    if largest == 0 or matrix[2, 2] == 0:
        message = "cannot be scaled so that its last value is 1"
        raise InvalidInput(message, field=field)
    scaled: FloatArray = matrix / largest
    return scaled


def _condition(
    homography: Homography, anchor_px: FloatArray, width_px: int, height_px: int
) -> float:
    """Return the condition number, free of units and of the floor's origin.

    Pixels are scaled to [-1, 1], the floor's origin is moved to where `anchor_px`
    maps to, and rows are scaled to unit length (compare H&Z section 4.4).
    """
    half = np.array([width_px / 2, height_px / 2])
    from_unit = np.diag([half[0], half[1], 1.0])
    from_unit[:2, 2] = half
    to_anchor = np.eye(3)
    to_anchor[:2, 2] = -homography.map_points(anchor_px)[0]
    rows = to_anchor @ homography.matrix @ from_unit
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(lengths > 0):
        return float("inf")
    return float(np.linalg.cond(rows / lengths))
