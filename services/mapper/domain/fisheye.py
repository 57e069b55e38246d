"""Equidistant distortion of fisheye lenses, and its inverse.

Kannala and Brandt, "A generic camera model and calibration method for conventional,
wide-angle, and fish-eye lenses", 2006, eq. 6, as OpenCV has it. Directions are x and y
at distance 1 along the optical axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from services.mapper.domain.environment import Fisheye
from services.mapper.domain.fold import (
    JUST_INSIDE,
    MAX_RADIUS,
    TOLERANCE,
    first_root,
    undone,
)
from services.mapper.domain.homography import FloatArray

_CENTRE = 1e-9


@dataclass(frozen=True, slots=True)
class FisheyeModel:
    """Distortion within the angle where it can be undone.

    Attributes:
        values: The coefficients.
        max_angle: Angle from the axis up to which the picture does not fold, radians.
    """

    values: Fisheye
    max_angle: float

    def distort(self, directions: FloatArray) -> FloatArray:
        """Return where the lens shows directions; NaN outside its angle.

        Args:
            directions: float64, shape (N, 2), before distortion.

        Returns:
            float64, shape (N, 2).
        """
        radius = np.hypot(directions[:, 0], directions[:, 1])
        angle = np.arctan(radius)
        scale = _ratio(self._forward(angle)[0], radius)
        scale[~(angle < self.max_angle)] = np.nan
        distorted: FloatArray = directions * scale[:, None]
        return distorted

    def undistort(self, distorted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the directions that the lens shows at places.

        Args:
            distorted: float64, shape (N, 2), after distortion.

        Returns:
            float64, shape (N, 2), the directions, and float64, shape (N, 2, 2), their
            derivative; NaN where the lens shows nothing.
        """
        shown = np.hypot(distorted[:, 0], distorted[:, 1])
        angle = undone(self._forward, shown, self.max_angle)
        mapped, slope = self._forward(angle)
        lost = ~((np.abs(mapped - shown) <= TOLERANCE) & (slope > 0))
        angle[lost], slope[lost] = np.nan, np.nan
        around = _ratio(np.tan(angle), shown)
        along = 1 / (np.cos(angle) ** 2 * slope)
        return distorted * around[:, None], _polar(distorted, shown, along, around)

    def _forward(self, angle: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the radius after distortion and its derivative."""
        k, s = self.values, angle * angle
        series = 1 + s * (k.k1 + s * (k.k2 + s * (k.k3 + s * k.k4)))
        slope = 1 + s * (3 * k.k1 + s * (5 * k.k2 + s * (7 * k.k3 + s * 9 * k.k4)))
        return angle * series, slope


def fisheye_model(values: Fisheye) -> FisheyeModel:
    """Return the model of coefficients.

    >>> round(fisheye_model(Fisheye(k1=-0.5)).max_angle, 4)
    0.8165
    """
    slope = [1.0, 3 * values.k1, 5 * values.k2, 7 * values.k3, 9 * values.k4]
    fold = np.sqrt(first_root(Polynomial(slope)))
    limit = min(fold, np.arctan(MAX_RADIUS))
    return FisheyeModel(values, float(limit) * JUST_INSIDE)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return `above / below`, which tends to 1 at the centre."""
    centre = below < _CENTRE
    ratio: FloatArray = np.where(centre, 1.0, above / np.where(centre, 1.0, below))
    ratio[np.isnan(above)] = np.nan
    return ratio


def _polar(
    points: FloatArray, radius: FloatArray, along: FloatArray, around: FloatArray
) -> FloatArray:
    """Return matrices, shape (N, 2, 2), that scale along and around the radius."""
    outward = points / np.maximum(radius, _CENTRE)[:, None]
    both = outward[:, :, None] * outward[:, None, :]
    matrices: FloatArray = (along - around)[:, None, None] * both + around[
        :, None, None
    ] * np.eye(2)
    return matrices
