"""How far from its axis a lens model holds, and how it is undone within."""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Polynomial

from services.mapper.domain.homography import FloatArray

MAX_RADIUS = 20.0
"""Tangent of the angle from the axis, 87 degrees, from which a lens shows nothing.

The pixel that a lens without distortion would show runs off to infinity there.
"""

JUST_INSIDE = 1 - 1e-9
"""Share of the radius of a fold or a pole up to which a model is used."""

TOLERANCE = 1e-9
"""Largest error of an undone distortion, in focal lengths."""

MAX_STEPS = 50
"""Steps of Newton's method after which a point counts as not shown."""

_NEGLIGIBLE = 1e-12
_REAL = 1e-9


def first_root(polynomial: Polynomial) -> float:
    """Return the least positive root, or infinity.

    >>> first_root(Polynomial([2.0, -3.0, 1.0]))
    1.0
    >>> first_root(Polynomial([1.0, 1.0]))
    inf
    """
    roots = polynomial.trim(_NEGLIGIBLE).roots()
    real = roots.real[np.abs(roots.imag) <= _REAL * np.abs(roots)]
    return float(min(real[real > 0], default=np.inf))


def undone(
    function: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    values: FloatArray,
    limit: float,
) -> FloatArray:
    """Return where an increasing function has values.

    Newton's method, and bisection where it would leave what is known to hold the
    place: near a fold the slope tends to 0.

    Args:
        function: Gives its values and slopes; increasing from 0 at 0 up to `limit`.
        values: float64, shape (N,), 0 or more.
        limit: Largest place.

    Returns:
        float64, shape (N,); NaN for values that are only taken beyond the limit.

    >>> undone(lambda x: (x * x, 2 * x), np.array([0.25, 9.0]), 2.0).round(6).tolist()
    [0.5, nan]
    """
    widest = function(np.array([limit]))[0]
    values = np.where(values < widest, values, np.nan)
    low, high = np.zeros_like(values), np.full_like(values, limit)
    found = np.minimum(values, limit)
    with np.errstate(all="ignore"):
        for _ in range(MAX_STEPS):
            now, slope = function(found)
            error = now - values
            if not (np.abs(error) > TOLERANCE).any():
                break
            low = np.where(error < 0, found, low)
            high = np.where(error > 0, found, high)
            step = found - error / slope
            inside = (step > low) & (step < high)
            found = np.where(inside, step, (low + high) / 2)
    found[np.isnan(values)] = np.nan
    return found
