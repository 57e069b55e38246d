"""How far from its axis a lens model holds, and how exactly it is undone."""

import numpy as np
from numpy.polynomial import Polynomial

MAX_RADIUS = 20.0
"""Tangent of the angle from the axis, 87 degrees, from which a lens shows nothing.

The pixel that a lens without distortion would show runs off to infinity there.
"""

TOLERANCE = 1e-9
"""Largest error of an undone distortion, in focal lengths."""

MAX_STEPS = 30
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
