"""Intervals of time that belong to somebody, and how they join."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.figures.span import IntArray, Span

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals, each of a person in a place; all arrays have the shape (N,).

    Attributes:
        person_id: int64, who.
        place: int64, index of the zone; 0 where there is but one place.
        start_us: int64, beginning, microseconds since 1970 UTC.
        end_us: int64, end, at or after the beginning.
    """

    person_id: IntArray
    place: IntArray
    start_us: IntArray
    end_us: IntArray

    def __len__(self) -> int:
        return len(self.person_id)

    def __getitem__(self, chosen: BoolArray | IntArray) -> "Intervals":
        return Intervals(
            self.person_id[chosen],
            self.place[chosen],
            self.start_us[chosen],
            self.end_us[chosen],
        )

    def at(self, place: int) -> "Intervals":
        """Return those of one place."""
        return self[self.place == place]

    def of(self, person_ids: IntArray) -> "Intervals":
        """Return those of some persons."""
        return self[np.isin(self.person_id, person_ids)]

    def touching(self, span: Span) -> "Intervals":
        """Return those that have a moment in a range."""
        return self[(self.start_us < span.end_us) & (self.end_us >= span.start_us)]


NOWHERE = Intervals(*(np.zeros(0, np.int64),) * 4)
"""No interval at all."""


def joined(intervals: Intervals, tolerance_us: int = 0) -> Intervals:
    """Return the union of what each person did in each place, in order.

    Args:
        intervals: In any order; they may overlap.
        tolerance_us: Longest pause that joins its neighbours. At 0 they touch.

    Returns:
        Intervals by person, place and beginning, apart by more than the tolerance.

    >>> one, here = np.array([7, 7, 7]), np.array([0, 0, 0])
    >>> union = joined(Intervals(one, here, np.array([5, 0, 20]),
    ...                          np.array([9, 5, 30])))
    >>> union.start_us.tolist(), union.end_us.tolist()
    ([0, 20], [9, 30])
    """
    if not len(intervals):
        return intervals
    order = np.lexsort((intervals.start_us, intervals.place, intervals.person_id))
    sorted_ = intervals[order]
    fresh = _changes(sorted_.person_id) | _changes(sorted_.place)
    latest_us = _running_max(sorted_.end_us, np.cumsum(fresh))
    fresh[1:] |= sorted_.start_us[1:] > latest_us[:-1] + tolerance_us
    first = np.flatnonzero(fresh)
    last = np.append(first[1:], len(sorted_)) - 1
    return Intervals(
        sorted_.person_id[first],
        sorted_.place[first],
        sorted_.start_us[first],
        latest_us[last],
    )


def _changes(values: IntArray) -> BoolArray:
    """Return where a value differs from the one before; true for the first."""
    return np.concatenate(([True], values[1:] != values[:-1]))


def _running_max(values: IntArray, group: IntArray) -> IntArray:
    """Return the largest value so far, within groups that grow along the array.

    Ranks take the place of values, so that adding the group cannot overflow.
    """
    distinct, rank = np.unique(values, return_inverse=True)
    offset = group * len(distinct)
    ranks: IntArray = np.maximum.accumulate(rank + offset) - offset
    return distinct[ranks]
