"""The little statistics that the measurements need."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """A measurement that was repeated.

    Attributes:
        median: Middle of the values.
        least: Smallest value.
        most: Largest value.
    """

    median: float
    least: float
    most: float

    def text(self, digits: int = 2) -> str:
        """Return it for people, `median (least–most)`."""
        return (
            f"{self.median:.{digits}f} ({self.least:.{digits}f}–{self.most:.{digits}f})"
        )


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the range of at least one value.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, least=1.0, most=3.0)
    """
    return Spread(float(np.median(values)), float(min(values)), float(max(values)))


def rate_per_s(times_ms: Sequence[float], units_each: int, warm_up: int) -> float:
    """Return how many units per second were finished, once things were under way.

    Args:
        times_ms: When each of a row of equal steps was finished, ascending.
        units_each: Units in a step.
        warm_up: Steps at the beginning that do not count.

    Raises:
        ValueError: Fewer than two steps are left.

    >>> rate_per_s([0.0, 900.0, 1000.0, 1100.0], units_each=3, warm_up=1)
    30.0
    """
    counted = times_ms[warm_up:]
    if len(counted) < 2:
        raise ValueError(f"{len(times_ms)} steps are too few")
    elapsed_s = (counted[-1] - counted[0]) / 1e3
    return units_each * (len(counted) - 1) / elapsed_s


def percentile_ms(durations_s: Sequence[float], percent: float) -> float:
    """Return a percentile of durations, milliseconds."""
    return 1e3 * float(np.percentile(durations_s, percent))
