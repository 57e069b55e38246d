"""How long visits last."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.span import IntArray, Span
from services.common.errors import InvalidInput

DEFAULT_PERCENTILES = (25.0, 50.0, 75.0, 90.0, 95.0)
MAX_PERCENTILES = 20
MAX_BINS = 1000


@dataclass(frozen=True, slots=True)
class DwellBins:
    """How durations are told.

    Attributes:
        width_us: Width of a bin of the histogram, microseconds.
        count: Bins; one more holds what is longer.
        percentiles: Percentiles wanted, in [0, 100].
    """

    width_us: int = 10_000_000
    count: int = 30
    percentiles: tuple[float, ...] = DEFAULT_PERCENTILES

    def __post_init__(self) -> None:
        if self.width_us < 1000:
            raise InvalidInput("must be at least 1 ms", field="bin_width")
        if not 1 <= self.count <= MAX_BINS:
            message = f"must be from 1 to {MAX_BINS}, got {self.count}"
            raise InvalidInput(message, field="bin_count")
        require_percentiles(self.percentiles)


@dataclass(frozen=True, slots=True)
class Dwell:
    """Durations of the visits to one place.

    Attributes:
        visits: How many.
        persons: Different persons who made them.
        total_us: Sum of the durations, microseconds.
        longest_us: Longest; 0 without visits.
        percentiles_us: One for each wanted; empty without visits.
        histogram: int64, shape (count + 1,).
    """

    visits: int
    persons: int
    total_us: int
    longest_us: int
    percentiles_us: tuple[int, ...]
    histogram: IntArray


def require_percentiles(percentiles: tuple[float, ...]) -> None:
    """Check which percentiles are wanted.

    Raises:
        InvalidInput: There are too many, or one is out of range.
    """
    if len(percentiles) > MAX_PERCENTILES:
        message = f"has more than {MAX_PERCENTILES} entries"
        raise InvalidInput(message, field="percentiles")
    for index, percent in enumerate(percentiles):
        if not 0 <= percent <= 100:
            message = f"must be in [0, 100], got {percent:g}"
            raise InvalidInput(message, field=f"percentiles[{index}]")


def dwell(visits: Intervals, span: Span, bins: DwellBins) -> Dwell:
    """Return how long those visits lasted that were left in a range.

    Args:
        visits: Visits to one place, each whole.
        span: When they must end.
        bins: How to tell it.
    """
    ended = visits[(visits.end_us >= span.start_us) & (visits.end_us < span.end_us)]
    lengths_us = ended.end_us - ended.start_us
    which = np.minimum(lengths_us // bins.width_us, bins.count)
    percentiles = np.percentile(lengths_us, bins.percentiles) if len(ended) else []
    return Dwell(
        visits=len(ended),
        persons=len(np.unique(ended.person_id)),
        total_us=int(lengths_us.sum()),
        longest_us=int(lengths_us.max(initial=0)),
        percentiles_us=tuple(round(float(one)) for one in percentiles),
        histogram=np.bincount(which, minlength=bins.count + 1),
    )
