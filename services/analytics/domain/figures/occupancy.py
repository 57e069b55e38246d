"""How many persons are in a place over time."""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import Intervals
from services.analytics.domain.figures.span import IntArray, Span


@dataclass(frozen=True, slots=True)
class OccupancySteps:
    """Occupancy by step: each array is int64, shape (steps,).

    Occupancy at t counts intervals with start < t <= end: how it was just before t.

    Attributes:
        start_us: Beginning of each step.
        at_start: Occupancy at the beginning.
        entered: Intervals that begin in the step.
        left: Intervals that end in the step.
        most: Highest occupancy.
        person_us: Time spent, summed over persons.
    """

    start_us: IntArray
    at_start: IntArray
    entered: IntArray
    left: IntArray
    most: IntArray
    person_us: IntArray

    @property
    def at_end(self) -> int:
        """Occupancy at the end of the last step."""
        return int(self.at_start[-1] + self.entered[-1] - self.left[-1])


def occupancy_steps(intervals: Intervals, edges_us: IntArray) -> OccupancySteps:
    """Return occupancy step by step.

    Args:
        intervals: Of persons in one place, no person twice at a time.
        edges_us: int64, shape (steps + 1,), where steps begin, and the end.

    >>> at = np.array([10]), np.array([0]), np.array([4]), np.array([16])
    >>> steps = occupancy_steps(Intervals(*at), np.array([0, 10, 20]))
    >>> steps.entered.tolist(), steps.at_start.tolist(), steps.person_us.tolist()
    ([1, 0], [0, 1], [6, 6])
    """
    starts, ends = np.sort(intervals.start_us), np.sort(intervals.end_us)
    begun = np.searchsorted(starts, edges_us)
    over = np.searchsorted(ends, edges_us)
    inside = (edges_us[0], edges_us[-1])
    moments = np.concatenate((edges_us, starts, ends))
    moments = np.unique(moments[(moments >= inside[0]) & (moments <= inside[1])])
    # Occupancy right after each moment, which holds until the next.
    level = np.searchsorted(starts, moments, "right") - np.searchsorted(
        ends, moments, "right"
    )
    first = np.searchsorted(moments, edges_us[:-1])
    at_start = (begun - over)[:-1]
    return OccupancySteps(
        start_us=edges_us[:-1],
        at_start=at_start,
        entered=np.diff(begun),
        left=np.diff(over),
        most=np.maximum(at_start, np.maximum.reduceat(level[:-1], first)),
        person_us=np.add.reduceat(level[:-1] * np.diff(moments), first),
    )


def covered_us(gaps: list[Span], edges_us: IntArray) -> IntArray:
    """Return how much of each step lies outside gaps, microseconds.

    Args:
        gaps: In any order; they may overlap.
        edges_us: int64, shape (steps + 1,).
    """
    moments = np.array(
        [edge for gap in gaps for edge in (gap.start_us, gap.end_us)], np.int64
    )
    moments = np.unique(np.concatenate((edges_us, moments)))
    moments = moments[(moments >= edges_us[0]) & (moments <= edges_us[-1])]
    known = np.ones(len(moments) - 1, np.int64)
    for gap in gaps:
        known[(moments[:-1] >= gap.start_us) & (moments[:-1] < gap.end_us)] = 0
    first = np.searchsorted(moments, edges_us[:-1])
    covered: IntArray = np.add.reduceat(known * np.diff(moments), first)
    return covered
