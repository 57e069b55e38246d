"""Presences and visits of persons, from what the stays of their identities show.

A stay is of one identity; a person may be several. Where the last sample of one
identity is followed by the first sample of another within the presence gap, the person
was all the time where the first of the two was, as if it had been one identity.
"""

from dataclasses import dataclass

import numpy as np

from services.analytics.domain.figures.intervals import BoolArray, Intervals, joined
from services.analytics.domain.figures.span import IntArray


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stays of some persons show, hidden time left out.

    Attributes:
        parts: Parts of stays; their place is 0.
        visits: Parts of visits; their place is the index of the zone.
        inside: bool, one for each of `visits`: whether the person was still inside
            when the part ended.
        gap_us: Longest time between two samples of one presence.
    """

    parts: Intervals
    visits: Intervals
    inside: BoolArray
    gap_us: int

    def of(self, person_ids: IntArray) -> "Seen":
        """Return what is about some persons, given in ascending order."""
        chosen = _among(self.visits.person_id, person_ids)
        return Seen(
            self.parts[_among(self.parts.person_id, person_ids)],
            self.visits[chosen],
            self.inside[chosen],
            self.gap_us,
        )

    def presences(self) -> Intervals:
        """Return when each person was there, by person and beginning."""
        return joined(self.parts, self.gap_us)

    def joined_visits(self) -> Intervals:
        """Return each visit once, by person, zone and beginning."""
        if not len(self.visits):
            return self.visits
        end_us = np.where(self.inside, self._followed_us(), self.visits.end_us)
        visits = self.visits
        return joined(
            Intervals(visits.person_id, visits.place, visits.start_us, end_us)
        )

    def _followed_us(self) -> IntArray:
        """Return for each visit when its person was seen next, if within the gap.

        Otherwise the end of the visit.
        """
        visits, parts = self.visits, self.parts
        order = np.lexsort((parts.start_us, parts.person_id))
        persons, starts_us = parts.person_id[order], parts.start_us[order]
        ends_us = visits.end_us
        # A visit of no length is not followed by itself.
        after_us = np.where(ends_us > visits.start_us, ends_us, ends_us + 1)
        times = np.unique(np.concatenate((starts_us, after_us)))
        known = np.unique(persons)
        part_key = np.searchsorted(known, persons) * len(times)
        part_key += np.searchsorted(times, starts_us)
        visit_key = np.searchsorted(known, visits.person_id) * len(times)
        visit_key += np.searchsorted(times, after_us)
        found = np.minimum(np.searchsorted(part_key, visit_key), len(persons) - 1)
        next_us = starts_us[found]
        follows = (
            (persons[found] == visits.person_id)
            & (next_us > ends_us)
            & (next_us - ends_us <= self.gap_us)
        )
        followed: IntArray = np.where(follows, next_us, ends_us)
        return followed


def _among(values: IntArray, sorted_ids: IntArray) -> BoolArray:
    if not len(sorted_ids):
        return np.zeros(len(values), np.bool_)
    found = np.minimum(np.searchsorted(sorted_ids, values), len(sorted_ids) - 1)
    among: BoolArray = sorted_ids[found] == values
    return among
