"""How fast people move, from the time that they spend at each speed."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.span import IntArray

BIN_MPS = 0.1
"""Width of a bin, metres per second."""

LAST_BIN = 100
"""Bin that holds everything faster, too."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Time at each speed.

    Attributes:
        histogram_us: int64, shape (LAST_BIN + 1,), time in each bin, microseconds.
    """

    histogram_us: IntArray

    @property
    def total_us(self) -> int:
        """Time at any speed, microseconds."""
        return int(self.histogram_us.sum())

    @property
    def mean_mps(self) -> float | None:
        """Mean with each bin at its middle; None without time."""
        if not self.total_us:
            return None
        middles_mps = (np.arange(LAST_BIN + 1) + 0.5) * BIN_MPS
        return float(middles_mps @ self.histogram_us / self.total_us)

    def percentile_mps(self, percent: float) -> float:
        """Return the speed that a share of the time does not exceed.

        Args:
            percent: Share of the time, [0, 100].

        >>> half = np.zeros(LAST_BIN + 1, np.int64)
        >>> half[12] = 100
        >>> round(Speeds(half).percentile_mps(50), 3)
        1.25
        """
        wanted_us = self.total_us * percent / 100
        used = np.flatnonzero(self.histogram_us)
        until_us = np.cumsum(self.histogram_us[used])
        at = min(int(np.searchsorted(until_us, wanted_us)), len(used) - 1)
        within_us = self.histogram_us[used[at]]
        share = (wanted_us - (until_us[at] - within_us)) / within_us
        return float((used[at] + share) * BIN_MPS)

    def needed(self) -> IntArray:
        """Return the histogram without the empty bins at its end."""
        used = np.flatnonzero(self.histogram_us)
        return self.histogram_us[: used[-1] + 1 if len(used) else 0]


def speeds(bins: IntArray, present_us: IntArray) -> Speeds:
    """Return the time at each speed.

    Args:
        bins: int64, shape (N,), bin of each piece of time; a bin may come again.
        present_us: int64, shape (N,), its length, microseconds.
    """
    histogram_us = np.zeros(LAST_BIN + 1, np.int64)
    np.add.at(histogram_us, np.minimum(bins, LAST_BIN), present_us)
    return Speeds(histogram_us)
