"""Who goes from which zone to which."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.span import HOUR_US, Span
from services.common.errors import InvalidInput

DEFAULT_TRANSIT_US = HOUR_US // 2
MAX_TRANSIT_US = 24 * HOUR_US


@dataclass(frozen=True, slots=True)
class ZoneFlow:
    """Transitions from one zone to another.

    Attributes:
        origin: Index of the zone that was visited before.
        target: Index of the zone that was entered next.
        transitions: How many.
        persons: Different persons who made them.
        transit_us: Sum of the times from leaving the one to entering the other.
    """

    origin: int
    target: int
    transitions: int
    persons: int
    transit_us: int


def require_transit(max_transit_us: int) -> None:
    """Check the longest transit.

    Raises:
        InvalidInput: It is out of range.
    """
    if not 0 < max_transit_us <= MAX_TRANSIT_US:
        message = "must be larger than 0 and at most 24 hours"
        raise InvalidInput(message, field="max_transit")


def flow(visits: Intervals, span: Span, max_transit_us: int) -> list[ZoneFlow]:
    """Return the transitions that arrive in a range, by origin, then target.

    Args:
        visits: Visits of every person to all zones that count, from `max_transit_us`
            before the range on.
        span: When the next zone must be entered.
        max_transit_us: Longest time from leaving one zone to entering the next.
    """
    order = np.lexsort((visits.place, visits.start_us, visits.person_id))
    before, after = visits[order[:-1]], visits[order[1:]]
    transit_us = np.maximum(after.start_us - before.end_us, 0)
    counts = (
        (before.person_id == after.person_id)
        & (after.start_us >= span.start_us)
        & (after.start_us < span.end_us)
        & (transit_us <= max_transit_us)
    )
    before, after, transit_us = before[counts], after[counts], transit_us[counts]
    width = int(visits.place.max(initial=0)) + 1
    pairs, which, transitions = np.unique(
        before.place * width + after.place, return_inverse=True, return_counts=True
    )
    summed_us = np.zeros(len(pairs), np.int64)
    np.add.at(summed_us, which, transit_us)
    walked = np.unique(np.stack((which, after.person_id), axis=1), axis=0)
    persons = np.bincount(walked[:, 0], minlength=len(pairs))
    return [
        ZoneFlow(int(pair // width), int(pair % width), *map(int, counted))
        for pair, *counted in zip(pairs, transitions, persons, summed_us, strict=True)
    ]
