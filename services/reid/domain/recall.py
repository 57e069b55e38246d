"""Who may have come back from long ago: what is asked of the archive, and when.

The live set holds who is present or left lately. Somebody new is looked up among all
who were ever stored, beside the ticks. The answer enters at the first tick that is
`recall_delay_s` after the question by the cameras' clock, and that tick waits for it.
So a live site never waits, and the same frames give the same answers at any speed.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from services.common.ids import GlobalId
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.person import Person
from services.reid.domain.returning import IMPLAUSIBLE, return_evidence
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import Vector

_S_NS = 1_000_000_000


# Equal only to itself: vectors have no truth value.
@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Who may a new person be?

    Attributes:
        global_id: The new person.
        vectors: What the person looks like.
        due_ns: Time of the tick that the answer enters at, nanoseconds since 1970 UTC.
    """

    global_id: GlobalId
    vectors: tuple[Vector, ...]
    due_ns: int


@dataclass(frozen=True, slots=True)
class Guest:
    """A person from the archive, who has no track yet.

    Attributes:
        until_ns: When the guest leaves, nanoseconds since 1970 UTC.
        asked_by: New persons whose answer named the guest. Nobody else is compared:
            among many guests, somebody resembles every stranger.
    """

    until_ns: int
    asked_by: tuple[GlobalId, ...]


@dataclass(slots=True)
class Recall:
    """What a live set has to do with the archive.

    Attributes:
        open: Questions without an answer, by new person.
        asked: Vectors behind the newest question about each new person.
        guests: Persons from the archive who have no track yet.
        merged: Identities that were merged away while a question was open: an answer
            may still name them.
    """

    open: dict[GlobalId, Question] = field(default_factory=dict)
    asked: dict[GlobalId, int] = field(default_factory=dict)
    guests: dict[GlobalId, Guest] = field(default_factory=dict)
    merged: set[GlobalId] = field(default_factory=set)

    def due(self, time_ns: int) -> list[Question]:
        """Return the questions whose answers enter at a tick of this time."""
        return [
            self.open[one]
            for one in sorted(self.open)
            if self.open[one].due_ns <= time_ns
        ]

    def ask(
        self,
        person: Person,
        tracks: Iterable[Tracklet],
        time_ns: int,
        config: AssociationConfig,
    ) -> Question | None:
        """Return a question about somebody new, if there is cause for one.

        Args:
            person: Somebody present.
            tracks: The live tracks.
            time_ns: Time of the tick, nanoseconds since 1970 UTC.
            config: When to ask.
        """
        known_before = bool(person.cameras) and person.global_id not in self.asked
        if known_before or person.global_id in self.open:
            return None
        prototypes = [one for track in tracks for one in track.prototypes]
        count = sum(one.count for one in prototypes)
        steps = [one for one in config.recall_counts if one <= count]
        if not steps or steps[-1] <= self.asked.get(person.global_id, 0):
            return None
        weighty = sorted(prototypes, key=lambda one: (-one.count, one.prototype_id))
        vectors = tuple(one.vector for one in weighty[: config.recall_vectors])
        due_ns = time_ns + int(config.recall_delay_s * _S_NS)
        question = Question(person.global_id, vectors, due_ns)
        self.open[person.global_id] = question
        self.asked[person.global_id] = count
        return question

    def take_merged(self, away: GlobalId) -> None:
        """Learn that an identity is no more."""
        if self.open:
            self.merged.add(away)
        for known in (self.open, self.asked, self.guests):
            known.pop(away, None)

    def surplus(self, most: int) -> list[GlobalId]:
        """Return the guests beyond `most`, those who would leave first."""
        ranked = sorted(self.guests, key=lambda one: (-self.guests[one].until_ns, one))
        return ranked[most:]

    def settle(
        self, present: set[GlobalId], tracks: Collection[Tracklet], time_ns: int
    ) -> list[GlobalId]:
        """Forget what is over, and return the guests who leave.

        Args:
            present: Persons who have a live track.
            tracks: The live tracks; who was kept from a guest with a track is free.
            time_ns: Time of the tick, nanoseconds since 1970 UTC.
        """
        for about_new in (self.open, self.asked):
            for global_id in about_new.keys() - present:
                del about_new[global_id]
        if not self.open:
            self.merged.clear()
        for global_id in self.guests.keys() & present:
            del self.guests[global_id]
            for track in tracks:
                if track.past.get(global_id) == IMPLAUSIBLE:
                    del track.past[global_id]
        leaving = sorted(
            one for one, guest in self.guests.items() if guest.until_ns <= time_ns
        )
        for global_id in leaving:
            del self.guests[global_id]
        return leaving


def admit(
    persons: dict[GlobalId, Person],
    tracks: Iterable[Tracklet],
    recall: Recall,
    answers: Mapping[GlobalId, Iterable[Person]],
    time_ns: int,
    config: AssociationConfig,
) -> bool:
    """Bring persons from the archive among the live ones; return whether any came.

    Who could not have got there is left out.

    Args:
        persons: The live set's, by id.
        tracks: The live tracks.
        recall: What was asked.
        answers: By new person: whom the archive names, the most similar first.
        time_ns: Time of the tick, nanoseconds since 1970 UTC.
        config: Limits.
    """
    by_person: dict[GlobalId, list[Tracklet]] = {}
    every = list(tracks)
    for track in every:
        if track.global_id is not None:
            by_person.setdefault(track.global_id, []).append(track)
    until_ns = time_ns + int(config.recall_stay_s * _S_NS)
    changed = False
    for new_id in sorted(answers.keys() & recall.open.keys()):
        del recall.open[new_id]
        asking = by_person.get(new_id, [])
        for one in list(answers[new_id])[: config.recall_candidates]:
            known = recall.guests.get(one.global_id)
            if one.global_id in recall.merged or (
                known is None and one.global_id in persons
            ):
                continue
            if not _is_plausible(one, asking, config):
                continue
            asked_by = (*known.asked_by, new_id) if known else (new_id,)
            recall.guests[one.global_id] = Guest(until_ns, asked_by)
            persons.setdefault(one.global_id, one)
            changed = True
    for global_id in recall.surplus(config.recall_guests):
        del persons[global_id], recall.guests[global_id]
        for track in every:
            track.past.pop(global_id, None)
    return changed


def keep_apart(recall: Recall, tracks: Iterable[Tracklet]) -> None:
    """Keep guests from tracks that did not ask about them."""
    for track in tracks:
        for global_id, guest in recall.guests.items():
            if track.global_id not in guest.asked_by:
                track.past[global_id] = IMPLAUSIBLE


def _is_plausible(
    guest: Person, asking: Iterable[Tracklet], config: AssociationConfig
) -> bool:
    """Return whether somebody could be where the tracks are, and note it there."""
    plausible = True
    for track in asking:
        track.past.pop(guest.global_id, None)
        if guest.motion is None or track.motion is None:
            continue
        fix, time_ns = track.motion.fix, track.motion.time_ns
        evidence = return_evidence(guest.motion, fix, time_ns, config)
        if evidence is not None:
            track.past[guest.global_id] = evidence
            plausible = plausible and evidence != IMPLAUSIBLE
    return plausible
