"""Radial and tangential distortion, and its inverse.

Brown, "Close-range camera calibration", 1971, with the denominator of OpenCV's
rational model. Directions are x and y at distance 1 along the optical axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from services.mapper.domain.environment import BrownConrady
from services.mapper.domain.fold import MAX_RADIUS, MAX_STEPS, TOLERANCE, first_root
from services.mapper.domain.homography import FloatArray


@dataclass(frozen=True, slots=True)
class BrownConradyModel:
    """Distortion within the radius where it can be undone.

    Attributes:
        values: The coefficients.
        max_radius: Radius before distortion up to which the picture does not fold.
    """

    values: BrownConrady
    max_radius: float

    def distort(self, directions: FloatArray) -> FloatArray:
        """Return where the lens shows directions; NaN outside its radius.

        Args:
            directions: float64, shape (N, 2), before distortion.

        Returns:
            float64, shape (N, 2).
        """
        shown = np.hypot(directions[:, 0], directions[:, 1]) < self.max_radius
        return self._forward(np.where(shown[:, None], directions, np.nan))[0]

    def undistort(self, distorted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the directions that the lens shows at places, by Newton's method.

        Args:
            distorted: float64, shape (N, 2), after distortion.

        Returns:
            float64, shape (N, 2), the directions, and float64, shape (N, 2, 2), their
            derivative; NaN where the lens shows nothing.
        """
        with np.errstate(all="ignore"):
            found = self._within(distorted)
            for _ in range(MAX_STEPS):
                mapped, slopes = self._forward(found)
                error = mapped - distorted
                unsolved = np.abs(error).max(axis=1) > TOLERANCE
                inverse = _inverse(slopes)
                if not unsolved.any():
                    break
                step = np.einsum("nij,nj->ni", inverse, error)
                found = self._within(found - step)
            radius = np.hypot(found[:, 0], found[:, 1])
            lost = unsolved | ~((radius < self.max_radius) & (_stretch(slopes) > 0))
        found[lost], inverse[lost] = np.nan, np.nan
        return found, inverse

    def _forward(self, directions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return distorted directions and the derivative's xx, xy and yy."""
        k, x, y = self.values, directions[:, 0], directions[:, 1]
        s = x * x + y * y
        radial = 1 + s * (k.k1 + s * (k.k2 + s * k.k3))
        slope = k.k1 + s * (2 * k.k2 + s * 3 * k.k3)
        if k.k4 or k.k5 or k.k6:
            below = 1 + s * (k.k4 + s * (k.k5 + s * k.k6))
            radial = radial / below
            slope = (slope - radial * (k.k4 + s * (2 * k.k5 + s * 3 * k.k6))) / below
        across = 2 * (k.p1 * x + k.p2 * y)
        tilt = 2 * (k.p1 * y + k.p2 * x)
        both = radial + tilt
        mapped = np.stack([x * both + k.p2 * s, y * both + k.p1 * s], axis=1)
        slopes = np.stack(
            [
                both + 2 * slope * x * x + 4 * k.p2 * x,
                2 * slope * x * y + across,
                both + 2 * slope * y * y + 4 * k.p1 * y,
            ]
        )
        return mapped, slopes

    def _within(self, directions: FloatArray) -> FloatArray:
        """Return directions, those outside the radius moved onto it."""
        radius = np.hypot(directions[:, 0], directions[:, 1])
        scale = np.minimum(self.max_radius / radius, 1.0)
        limited: FloatArray = directions * scale[:, None]
        return limited


def brown_conrady_model(values: BrownConrady) -> BrownConradyModel:
    """Return the model of coefficients.

    The picture folds where the radius after distortion stops to grow with the one
    before, or where the denominator vanishes.

    >>> round(brown_conrady_model(BrownConrady(k1=-0.3)).max_radius, 4)
    1.0541
    """
    above = Polynomial([1.0, values.k1, values.k2, values.k3])
    below = Polynomial([1.0, values.k4, values.k5, values.k6])
    squared = Polynomial([0.0, 2.0])
    growth = (above + squared * above.deriv()) * below - squared * above * below.deriv()
    limit = min(first_root(growth), first_root(below), MAX_RADIUS**2)
    return BrownConradyModel(values, float(np.sqrt(limit)))


def _stretch(slopes: FloatArray) -> FloatArray:
    """Return the determinant of the derivative."""
    determinant: FloatArray = slopes[0] * slopes[2] - slopes[1] * slopes[1]
    return determinant


def _inverse(slopes: FloatArray) -> FloatArray:
    """Return the inverse of the derivative, shape (N, 2, 2)."""
    xx, xy, yy = slopes / _stretch(slopes)
    inverse: FloatArray = np.stack([yy, -xy, -xy, xx], axis=1).reshape(-1, 2, 2)
    return inverse
