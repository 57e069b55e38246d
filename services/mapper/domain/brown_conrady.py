"""Radial and tangential distortion, and its inverse.

Brown, "Close-range camera calibration", 1971, with the denominator of OpenCV's
rational model. Directions are x and y at distance 1 along the optical axis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from services.mapper.domain.environment import BrownConrady
from services.mapper.domain.fold import (
    JUST_INSIDE,
    MAX_RADIUS,
    MAX_STEPS,
    TOLERANCE,
    first_root,
    undone,
)
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
        x, y = directions[:, 0], directions[:, 1]
        shown = np.where(np.hypot(x, y) < self.max_radius, 1.0, np.nan)
        x_seen, y_seen = self._forward(x * shown, y * shown)[0]
        return np.stack([x_seen, y_seen], axis=1)

    def undistort(self, distorted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the directions that the lens shows at places.

        First by the radial part alone, which has one answer within the radius, then
        by Newton's method for the rest.

        Args:
            distorted: float64, shape (N, 2), after distortion.

        Returns:
            float64, shape (N, 2), the directions, and float64, shape (N, 2, 2), their
            derivative; NaN where the lens shows nothing.
        """
        x_seen, y_seen = distorted[:, 0], distorted[:, 1]
        seen = np.hypot(x_seen, y_seen)
        with np.errstate(all="ignore"):
            scale = undone(self._along, seen, self.max_radius) / seen
            scale[seen == 0] = 1.0
            x, y = x_seen * scale, y_seen * scale
            for _ in range(MAX_STEPS):
                (x_now, y_now), (xx, xy, yy) = self._forward(x, y)
                x_off, y_off = x_now - x_seen, y_now - y_seen
                stretch = xx * yy - xy * xy
                unsolved = np.maximum(np.abs(x_off), np.abs(y_off)) > TOLERANCE
                if not unsolved.any():
                    break
                x = x - (yy * x_off - xy * y_off) / stretch
                y = y - (xx * y_off - xy * x_off) / stretch
            inverse = np.stack([yy, -xy, -xy, xx], axis=1) / stretch[:, None]
            shown = ~unsolved & (np.hypot(x, y) < self.max_radius) & (stretch > 0)
        found = np.stack([x, y], axis=1)
        found[~shown], inverse[~shown] = np.nan, np.nan
        return found, inverse.reshape(-1, 2, 2)

    def _along(self, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the radius after radial distortion and its derivative."""
        s = radius * radius
        radial, slope = self._radial(s)
        return radius * radial, radial + 2 * s * slope

    def _forward(
        self, x: FloatArray, y: FloatArray
    ) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
        """Return x and y after distortion, and the derivative's xx, xy and yy."""
        k = self.values
        s = x * x + y * y
        radial, slope = self._radial(s)
        both = radial + 2 * (k.p1 * y + k.p2 * x)
        x_slope, y_slope = 2 * slope * x, 2 * slope * y
        return (x * both + k.p2 * s, y * both + k.p1 * s), (
            both + x * (x_slope + 4 * k.p2),
            x_slope * y + 2 * (k.p1 * x + k.p2 * y),
            both + y * (y_slope + 4 * k.p1),
        )

    def _radial(self, s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the radial factor at a squared radius, and its derivative."""
        k = self.values
        radial = 1 + s * (k.k1 + s * (k.k2 + s * k.k3))
        slope = k.k1 + s * (2 * k.k2 + s * (3 * k.k3))
        if not (k.k4 or k.k5 or k.k6):
            return radial, slope
        below = 1 + s * (k.k4 + s * (k.k5 + s * k.k6))
        radial = radial / below
        slope = (slope - radial * (k.k4 + s * (2 * k.k5 + s * (3 * k.k6)))) / below
        return radial, slope


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
    return BrownConradyModel(values, float(np.sqrt(limit)) * JUST_INSIDE)
