"""One person's way."""

import numpy as np

from services.analytics.domain.figures.intervals import BoolArray, Intervals
from services.analytics.domain.figures.span import IntArray


def legs(time_us: IntArray, presences: Intervals) -> IntArray:
    """Return the number of the presence that each time lies in, from 1.

    Args:
        time_us: int64, shape (N,), times of sightings.
        presences: Presences of the person, in order.
    """
    numbers: IntArray = np.searchsorted(presences.start_us, time_us, "right")
    return numbers


def kept_points(
    time_us: IntArray, numbers: IntArray, min_interval_us: int, last_us: int | None
) -> BoolArray:
    """Return which points of a way to keep, so that they are not too close in time.

    The first and the last of a leg among the points are always kept.

    Args:
        time_us: int64, shape (N,), in order.
        numbers: int64, shape (N,), leg of each.
        min_interval_us: Least time between two points of a leg.
        last_us: Time of the point that was kept before these; None for none.

    >>> kept_points(np.array([0, 4, 8, 12]), np.ones(4, int), 8, None).tolist()
    [True, False, True, True]
    """
    kept = np.ones(len(time_us), np.bool_)
    if min_interval_us <= 0 or not len(time_us):
        return kept
    edge = np.flatnonzero(np.diff(numbers))
    always = np.zeros(len(time_us), np.bool_)
    always[[0, -1]] = always[edge] = always[edge + 1] = True
    if last_us is None:
        last_us = int(time_us[0]) - min_interval_us
    for index, now_us in enumerate(time_us.tolist()):
        kept[index] = always[index] or now_us - last_us >= min_interval_us
        if kept[index]:
            last_us = now_us
    return kept
