"""What operators said about who is who, as constraints on the association.

Three kinds: a live track belongs to a person (pinned), a live track does not (barred),
two persons are different people (apart). Persons are named as they were when it was
said; merges are followed, so that what holds for an identity holds for the person that
it went on as.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, GlobalId, TrackId
from services.reid.domain.values import TrackKey

IdPair = tuple[GlobalId, GlobalId]


def id_pair(one: GlobalId, two: GlobalId) -> IdPair:
    """Return two persons in the order of their ids."""
    return (one, two) if one <= two else (two, one)


@dataclass(slots=True)
class Constraints:
    """Constraints of one timeline.

    Attributes:
        pins: Person of each live track that an operator confirmed.
        bars: Persons that live tracks do not belong to.
        apart: Persons who are different people, as they were named.
        went: Person that each merged identity went on as, where that matters.
        fresh: Pairs of `apart` that no store has yet.
        withdrawn: Pairs that were taken back and that a store may still have.
    """

    pins: dict[TrackKey, GlobalId] = field(default_factory=dict)
    bars: dict[TrackKey, set[GlobalId]] = field(default_factory=dict)
    apart: set[IdPair] = field(default_factory=set)
    went: dict[GlobalId, GlobalId] = field(default_factory=dict)
    fresh: set[IdPair] = field(default_factory=set)
    withdrawn: set[IdPair] = field(default_factory=set)

    def person(self, global_id: GlobalId) -> GlobalId:
        """Return who an identity is by now."""
        while global_id in self.went:
            global_id = self.went[global_id]
        return global_id

    def told_apart(self, one: GlobalId, two: GlobalId) -> bool:
        """Return whether two persons are different people."""
        if not self.apart:
            return False
        asked = id_pair(self.person(one), self.person(two))
        return any(self._by_now(pair) == asked for pair in self.apart)

    def pinned(self, key: TrackKey) -> GlobalId | None:
        """Return the person that a track was confirmed to be."""
        pin = self.pins.get(key)
        return None if pin is None else self.person(pin)

    def barred(self, key: TrackKey) -> set[GlobalId]:
        """Return the persons that a track does not belong to."""
        return {self.person(one) for one in self.bars.get(key, ())}

    def forbidden(
        self, keys: Sequence[TrackKey], column: Mapping[GlobalId, int]
    ) -> NDArray[np.bool_]:
        """Return where a track must not be a person, shape (keys, persons).

        Args:
            keys: Tracks, row by row.
            column: Column of each person.
        """
        mask = np.zeros((len(keys), len(column)), np.bool_)
        if self.bars:
            for row, key in enumerate(keys):
                columns = [column[one] for one in self.barred(key) if one in column]
                mask[row, columns] = True
        return mask

    def pin(self, key: TrackKey, global_id: GlobalId) -> None:
        """Remember that a track belongs to a person."""
        self.pins[key] = global_id
        left = {one for one in self.bars.get(key, ()) if self.person(one) != global_id}
        self._set_bars(key, left)

    def bar(self, key: TrackKey, global_id: GlobalId) -> None:
        """Remember that a track does not belong to a person."""
        if self.pinned(key) == global_id:
            del self.pins[key]
        self.bars.setdefault(key, set()).add(global_id)

    def tell_apart(self, one: GlobalId, two: GlobalId) -> None:
        """Remember that two persons are different people."""
        pair = id_pair(one, two)
        if pair not in self.apart:
            self.apart.add(pair)
            self.fresh.add(pair)
            self.withdrawn.discard(pair)

    def take_back_apart(self, one: GlobalId, two: GlobalId) -> None:
        """Forget that two persons are different people."""
        asked = id_pair(self.person(one), self.person(two))
        gone = {pair for pair in self.apart if self._by_now(pair) == asked}
        self.apart -= gone
        self.withdrawn |= gone - self.fresh
        self.fresh -= gone

    def merged(self, into: GlobalId, away: GlobalId) -> None:
        """Follow a merge."""
        if self.apart or self.pins or self.bars:
            self.went[away] = into

    def parted(self, global_id: GlobalId) -> None:
        """Follow the undoing of a merge: an identity stands for itself again."""
        self.went.pop(global_id, None)

    def ended(self, key: TrackKey, global_id: GlobalId | None) -> None:
        """Forget a track; its person inherits who it does not belong to."""
        self.pins.pop(key, None)
        for barred in sorted(self.bars.pop(key, ())):
            other = self.person(barred)
            if global_id not in (None, other) and not self.told_apart(other, global_id):
                self.tell_apart(other, global_id)

    def take_unstored(self) -> tuple[set[IdPair], set[IdPair]]:
        """Return, once, the pairs that a store must add and those it must remove."""
        unstored = self.fresh, self.withdrawn
        self.fresh, self.withdrawn = set(), set()
        return unstored

    def learn(self, apart: Iterable[IdPair], went: Mapping[GlobalId, GlobalId]) -> None:
        """Take in what a store kept."""
        self.apart |= set(apart)
        self.went.update(went)

    def to_json(self) -> dict[str, Any]:
        """Return what holds for live tracks; a store keeps the persons apart."""
        return {
            "pins": [[*key, self.pinned(key)] for key in sorted(self.pins)],
            "bars": [[*key, sorted(self.barred(key))] for key in sorted(self.bars)],
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "Constraints":
        """Return what `to_json` described."""
        found = Constraints()
        for camera_id, track_id, pin in document.get("pins", ()):
            found.pins[TrackKey(CameraId(camera_id), TrackId(track_id))] = pin
        for camera_id, track_id, bars in document.get("bars", ()):
            found.bars[TrackKey(CameraId(camera_id), TrackId(track_id))] = set(bars)
        return found

    def _by_now(self, pair: IdPair) -> IdPair:
        return id_pair(self.person(pair[0]), self.person(pair[1]))

    def _set_bars(self, key: TrackKey, bars: set[GlobalId]) -> None:
        if bars:
            self.bars[key] = bars
        else:
            self.bars.pop(key, None)
