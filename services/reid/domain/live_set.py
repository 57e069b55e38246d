"""The persons and tracks of one timeline that association works on."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from services.common.ids import CameraId, GlobalId, SessionId
from services.reid.domain.appearance import Prototype, surplus
from services.reid.domain.association_config import AssociationConfig
from services.reid.domain.constraints import Constraints
from services.reid.domain.disagreement import Disagreements
from services.reid.domain.evidence import PairEvidence
from services.reid.domain.likelihood import AppearanceStatistics
from services.reid.domain.person import Person
from services.reid.domain.recall import Question, Recall
from services.reid.domain.suspicions import CameraWatch
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.domain.values import EventKind, IdentityChange, TrackKey

NOBODY = GlobalId(0)
"""Stands for no person."""


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """What a merge joined, to undo it.

    Attributes:
        tracks: Sightings of the live tracks that changed hands.
        cameras: Sightings of the survivor in tracks that had ended.
    """

    tracks: dict[TrackKey, CameraRecord] = field(default_factory=dict)
    cameras: dict[CameraId, CameraRecord] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A person at one moment.

    Attributes:
        person: Copy of the person, never changed again.
        cameras: Sightings by camera, live tracks included.
        merged_into: Identity that this one went on as; NOBODY if it stands for itself.
        merge: What the merge joined; None if it stands for itself.
    """

    person: Person
    cameras: dict[CameraId, CameraRecord]
    merged_into: GlobalId
    merge: MergeRecord | None = None

    @property
    def first_seen_ns(self) -> int:
        """First sighting, nanoseconds since 1970 UTC."""
        return min((one.first_ns for one in self.cameras.values()), default=0)

    @property
    def last_seen_ns(self) -> int:
        """Latest sighting, nanoseconds since 1970 UTC."""
        return max((one.last_ns for one in self.cameras.values()), default=0)


@dataclass(slots=True)
class Changes:
    """What a tick changed and a store must learn.

    Attributes:
        events: Changes of identities, in order.
        touched: Persons whose stored form is out of date.
        departed: Identities that were merged away, as they were before.
        prototypes: Prototypes that are new or different, with their person.
        forgotten: Prototypes that are no more.
        questions: What the archive is to be asked.
    """

    events: list[IdentityChange] = field(default_factory=list)
    touched: set[GlobalId] = field(default_factory=set)
    departed: dict[GlobalId, Snapshot] = field(default_factory=dict)
    prototypes: dict[GlobalId, tuple[GlobalId, Prototype]] = field(default_factory=dict)
    forgotten: set[GlobalId] = field(default_factory=set)
    questions: list[Question] = field(default_factory=list)


@dataclass(slots=True)
class LiveSet:
    """State of the association of one timeline.

    Attributes:
        session_id: Session that the live tracks belong to.
        frame_set: Newest frame set; 0 before the first.
        time_ns: Time of the newest frame, nanoseconds since 1970 UTC.
        next_label: Label of the next person.
        persons: Present and recognisable persons, by id.
        tracks: Live tracks.
        pairs: Floor evidence between live tracks.
        floors: How far the floors of cameras lie apart.
        looks: How alike vectors turned out to be.
        constraints: What operators said.
        recall: What is asked of the archive, and who came from it.
        watches: What each camera showed last.
        version: Grows whenever tracks, persons or prototypes change hands.
    """

    session_id: SessionId
    frame_set: int = 0
    time_ns: int = 0
    next_label: int = 1
    persons: dict[GlobalId, Person] = field(default_factory=dict)
    tracks: dict[TrackKey, Tracklet] = field(default_factory=dict)
    pairs: PairEvidence = field(default_factory=PairEvidence)
    floors: Disagreements = field(default_factory=Disagreements)
    looks: AppearanceStatistics = field(default_factory=AppearanceStatistics)
    constraints: Constraints = field(default_factory=Constraints)
    recall: Recall = field(default_factory=Recall)
    watches: dict[CameraId, CameraWatch] = field(default_factory=dict)
    version: int = 0

    def tracks_of(self, global_id: GlobalId) -> list[Tracklet]:
        """Return the live tracks of a person, by key."""
        mine = (track for track in self.tracks.values() if track.global_id == global_id)
        return sorted(mine, key=lambda track: track.key)

    def present_ids(self) -> set[GlobalId]:
        """Return the persons who have a live track."""
        ids = (track.global_id for track in self.tracks.values())
        return {global_id for global_id in ids if global_id is not None}

    def told_apart(self, one: GlobalId, two: GlobalId) -> bool:
        """Return whether an operator said that two persons, or tracks, are not one."""
        said = self.constraints
        return said.told_apart(one, two) or (
            bool(said.bars)
            and any(
                other in said.barred(track.key)
                for mine, other in ((one, two), (two, one))
                for track in self.tracks_of(mine)
            )
        )

    def records_of(self, person: Person) -> dict[CameraId, CameraRecord]:
        """Return the sightings of a person by camera, live tracks included."""
        records = dict(person.cameras)
        for track in self.tracks_of(person.global_id):
            if track.record is not None:
                camera_id = track.key.camera_id
                records[camera_id] = track.record.joined(records.get(camera_id))
        return dict(sorted(records.items()))

    def last_seen_ns(self, person: Person) -> int:
        """Return when a detection last supported a person; 0 for never."""
        records = self.records_of(person).values()
        return max((record.last_ns for record in records), default=0)

    def snapshot(
        self,
        global_id: GlobalId,
        merged_into: GlobalId = NOBODY,
        merge: MergeRecord | None = None,
    ) -> Snapshot:
        """Return a person as history shows it."""
        person = self.persons[global_id]
        return Snapshot(
            person=replace(person, cameras=dict(person.cameras)),
            cameras=self.records_of(person),
            merged_into=merged_into,
            merge=merge,
        )


class Registry:
    """Creates, binds, merges and forgets, and notes what a store must learn."""

    def __init__(
        self,
        live: LiveSet,
        config: AssociationConfig,
        frame_set: int | None,
        time_ns: int,
    ) -> None:
        self.live = live
        self.config = config
        self.changes = Changes()
        self._frame_set = frame_set
        self._time_ns = time_ns

    def found(self, global_id: GlobalId) -> Person:
        """Return a new person."""
        person = Person(global_id, self.live.next_label)
        self.live.next_label += 1
        self.live.persons[global_id] = person
        self.note(EventKind.CREATED, global_id)
        return person

    def note(
        self, kind: EventKind, global_id: GlobalId, other: GlobalId = NOBODY
    ) -> None:
        """Record a change of an identity."""
        self.changes.touched.add(global_id)
        self.changes.events.append(
            IdentityChange(kind, global_id, other, self._frame_set, self._time_ns)
        )

    def bind(self, track: Tracklet, global_id: GlobalId) -> None:
        """Give a track to a person; a person left with nothing merges into the new."""
        before = track.global_id
        track.global_id = global_id
        self.live.version += 1
        self.changes.touched.add(global_id)
        self.keep_prototypes(track.prototypes, global_id)
        if before is None or before == global_id:
            return
        self.changes.touched.add(before)
        former = self.live.persons[before]
        if former.past_keys or self.live.tracks_of(before):
            return
        if not self.live.told_apart(before, global_id):
            self.merge(into=global_id, away=before)

    def merge(self, *, into: GlobalId, away: GlobalId) -> None:
        """Let one identity go on as another."""
        live, config = self.live, self.config
        joined = MergeRecord(
            tracks={
                track.key: track.record
                for track in live.tracks_of(away)
                if track.record is not None
            },
            cameras=dict(live.persons[into].cameras),
        )
        self.changes.departed[away] = live.snapshot(away, into, joined)
        live.constraints.merged(into, away)
        survivor, former = live.persons[into], live.persons.pop(away)
        for track in live.tracks_of(away):
            track.global_id = into
            self.keep_prototypes(track.prototypes, into)
        self.keep_prototypes(former.prototypes, into)
        survivor.absorb(former, config.history_keys)
        self._trim_prototypes(survivor)
        for track in live.tracks.values():
            if away in track.past:
                evidence = track.past.pop(away)
                track.past[into] = max(evidence, track.past.get(into, evidence))
            if away in track.places:
                evidence = track.places.pop(away)
                track.places[into] = max(evidence, track.places.get(into, evidence))
        live.recall.take_merged(away)
        self.changes.touched.discard(away)
        live.version += 1
        self.note(EventKind.MERGED, into, away)

    def end(self, track: Tracklet) -> None:
        """Forget a live track; its person keeps what it leaves behind."""
        del self.live.tracks[track.key]
        self.live.constraints.ended(track.key, track.global_id)
        self.live.version += 1
        if track.global_id is None:
            return
        person = self.live.persons[track.global_id]
        person.remember(track, self.config.history_keys)
        ended = [replace(prototype, source=None) for prototype in track.prototypes]
        person.prototypes = [*person.prototypes, *ended]
        self.keep_prototypes(ended, person.global_id)
        self._trim_prototypes(person)
        self.changes.touched.add(person.global_id)

    def keep_prototypes(
        self, prototypes: Iterable[Prototype], global_id: GlobalId
    ) -> None:
        """Note that prototypes are of a person now."""
        for prototype in prototypes:
            self.changes.prototypes[prototype.prototype_id] = (global_id, prototype)

    def _trim_prototypes(self, person: Person) -> None:
        """Forget the least useful prototypes of ended tracks."""
        gone = {one.prototype_id for one in surplus(person.prototypes, self.config)}
        if gone:
            person.prototypes = [
                one for one in person.prototypes if one.prototype_id not in gone
            ]
            self.changes.forgotten |= gone
            for prototype_id in gone:
                self.changes.prototypes.pop(prototype_id, None)
