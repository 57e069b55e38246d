"""Carry out what operators say, on the live set of one timeline.

Everything is checked before anything is changed, so a refused command leaves no trace.
"""

from collections.abc import Callable, Iterable, Sequence

from services.common.errors import InvalidInput, NotFound
from services.common.ids import CameraId, GlobalId
from services.reid.domain.constraints import Constraints
from services.reid.domain.feedback import (
    Command,
    Comparison,
    Confirm,
    Effect,
    Former,
    Merge,
    Named,
    Reject,
    Split,
)
from services.reid.domain.live_set import LiveSet, MergeRecord, Registry
from services.reid.domain.person import Person
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.domain.values import EventKind, TrackKey

_REPLACE = "set replace_feedback to take that back"


class FeedbackRules:
    """Applies commands; every person they name is in the live set."""

    def __init__(self, registry: Registry, draw_id: Callable[[], GlobalId]) -> None:
        self._registry = registry
        self._live: LiveSet = registry.live
        self._constraints: Constraints = registry.live.constraints
        self._draw_id = draw_id

    def carry_out(self, command: Command, named: Named) -> Effect:
        """Change the live set as a command says.

        Args:
            command: What an operator said.
            named: Whom it names.

        Raises:
            InvalidInput: It contradicts what cameras saw, or earlier feedback.
            NotFound: A track is not live.
        """
        match command:
            case Merge():
                return self._merge(command, named)
            case Split(merged_global_id=former) if former:
                return self._part_former(command, named)
            case Split():
                return self._part_tracks(command, named)
            case Confirm():
                return self._confirm(command, named)
            case Reject():
                return self._reject(command, named)

    def _merge(self, command: Merge, named: Named) -> Effect:
        into, away = named.person, named.other
        if into == away:
            return Effect(into)
        self._require_never_at_once(into, away, "other_global_id")
        if self._live.told_apart(into, away) and not command.replace:
            raise InvalidInput(
                f"was told to be another person than {into}; {_REPLACE}",
                field="other_global_id",
            )
        self._constraints.take_back_apart(into, away)
        for track in self._live.tracks_of(away):
            track.past.setdefault(into, 0.0)
        self._registry.merge(into=into, away=away)
        self._live.persons[into].confirmed = True
        for track in self._live.tracks_of(into):
            self._settle(track, into)
        return Effect(into, comparison=Comparison(same=True, person=into, other=away))

    def _part_former(self, command: Split, named: Named) -> Effect:
        former = named.former
        own = named.person
        if former is None or named.other != own or command.merged_global_id == own:
            raise InvalidInput(f"was not merged into {own}", field="merged_global_id")
        person = former.person
        merge = former.merge or MergeRecord()
        back = [
            track
            for key in merge.tracks
            if (track := self._live.tracks.get(key)) and track.global_id == own
        ]
        self._give_back(self._live.persons[own], former, merge, back)
        self._live.persons[person.global_id] = person
        self._constraints.parted(person.global_id)
        self._tell_parts_apart(own, person, back)
        return Effect(
            own,
            person.global_id,
            Comparison(same=False, person=own, other=person.global_id),
            parted={track.key: person.global_id for track in back},
            regained=(person.global_id, own),
        )

    def _give_back(
        self,
        whole: Person,
        former: Former,
        merge: MergeRecord,
        back: Sequence[Tracklet],
    ) -> None:
        """Take from a person what an identity had when it was merged into it."""
        person = former.person
        live = {track.key for track in back}
        for key, record in merge.tracks.items():
            if key not in live:
                known = person.cameras.get(key.camera_id)
                person.cameras[key.camera_id] = record.joined(known)
                person.past_keys.append(key)
        whole.cameras = _without(whole.cameras, person.cameras, merge.cameras)
        theirs = set(person.past_keys)
        whole.past_keys = [key for key in whole.past_keys if key not in theirs]
        ids = former.prototype_ids
        person.prototypes = [one for one in whole.prototypes if one.prototype_id in ids]
        whole.prototypes = [
            one for one in whole.prototypes if one.prototype_id not in ids
        ]

    def _part_tracks(self, command: Split, named: Named) -> Effect:
        own = named.person
        parting = [
            self._track_of(key, own, f"tracks[{index}]")
            for index, key in enumerate(command.tracks)
        ]
        for index, track in enumerate(parting):
            for other in parting[:index]:
                if _at_once(track, other):
                    raise InvalidInput(
                        f"{_said(track.key)} and {_said(other.key)} were seen at once, "
                        "so they are two people",
                        field=f"tracks[{index}]",
                    )
        self._require_rest(own, parting, "tracks")
        person = self._registry.found(self._draw_id())
        person.confirmed = True
        self._tell_parts_apart(own, person, parting)
        return Effect(
            own,
            person.global_id,
            Comparison(same=False, person=own, tracks=command.tracks),
            parted={track.key: person.global_id for track in parting},
        )

    def _tell_parts_apart(
        self, own: GlobalId, person: Person, parting: Sequence[Tracklet]
    ) -> None:
        """Move tracks to a person, who is not the one they were of."""
        other = person.global_id
        self._constraints.tell_apart(own, other)
        for track in parting:
            self._move(track, other)
            self._settle(track, other)
            self._constraints.bar(track.key, own)
        for track in self._live.tracks_of(own):
            self._constraints.bar(track.key, other)
        self._registry.changes.touched |= {own, other}
        self._live.version += 1
        self._registry.note(EventKind.SPLIT, own, other)

    def _confirm(self, command: Confirm, named: Named) -> Effect:
        person, track = named.person, self._track(command.track)
        own = track.global_id
        if own != person:
            self._require_confirmable(track, person, replace=command.replace)
            alone = own is not None and not self._has_rest(own, [track])
            if own is not None and alone and not self._live.told_apart(own, person):
                self._registry.merge(into=person, away=own)
            else:
                self._move(track, person)
                if own is not None and not track.provisional:
                    self._registry.note(EventKind.SPLIT, own, person)
        self._settle(track, person)
        # The word is about those tracks too: they must not leave instead.
        for other in self._live.tracks_of(person):
            if not other.provisional:
                self._settle(other, person)
        self._live.persons[person].confirmed = True
        self._registry.changes.touched.add(person)
        return Effect(
            person,
            comparison=Comparison(same=True, person=person, tracks=(track.key,)),
            parted={track.key: person},
        )

    def _require_confirmable(
        self, track: Tracklet, person: GlobalId, *, replace: bool
    ) -> None:
        """Return if nothing speaks against a track being a person.

        Raises:
            InvalidInput: Cameras or earlier feedback do.
        """
        for other in self._live.tracks_of(person):
            if _at_once(track, other):
                raise InvalidInput(
                    f"was seen at once with {_said(other.key)}, which is {person}",
                    field="track",
                )
        past = self._live.persons[person]
        met = track.conflicts.intersection(past.past_keys)
        if met or track.key in past.past_conflicts:
            raise InvalidInput(
                f"was seen at once with an earlier track of {person}", field="track"
            )
        pin = self._constraints.pinned(track.key)
        said = pin is not None or person in self._constraints.barred(track.key)
        if said and not replace:
            raise InvalidInput(
                f"was told to be another person than {person}; {_REPLACE}",
                field="track",
            )

    def _reject(self, command: Reject, named: Named) -> Effect:
        person, track = named.person, self._track(command.track)
        if track.global_id != person:
            self._constraints.bar(track.key, person)
            self._live.version += 1
            return Effect(track.global_id or person)
        if self._constraints.pinned(track.key) == person and not command.replace:
            raise InvalidInput(f"was told to be {person}; {_REPLACE}", field="track")
        self._require_rest(person, [track], "track")
        other = self._registry.found(self._draw_id())
        self._move(track, other.global_id)
        track.provisional = True
        self._constraints.bar(track.key, person)
        self._constraints.tell_apart(person, other.global_id)
        self._registry.note(EventKind.SPLIT, person, other.global_id)
        return Effect(
            other.global_id,
            comparison=Comparison(same=False, person=person, tracks=(track.key,)),
            parted={track.key: other.global_id},
        )

    def _move(self, track: Tracklet, to: GlobalId) -> None:
        """Give a track to a person; whoever had it stays, even with nothing."""
        before = track.global_id
        track.global_id, track.returned, track.torn = to, False, False
        track.past.setdefault(to, 0.0)
        self._live.version += 1
        self._constraints.pins.pop(track.key, None)
        self._registry.keep_prototypes(track.prototypes, to)
        self._registry.changes.touched.add(to)
        if before is not None:
            self._registry.changes.touched.add(before)
        person = self._live.persons[to]
        if person.motion is None:
            person.motion = track.motion

    def _settle(self, track: Tracklet, person: GlobalId) -> None:
        """Make the person of a track final and remember that an operator said so."""
        track.provisional = track.torn = False
        self._constraints.pin(track.key, person)
        self._live.version += 1

    def _require_never_at_once(self, one: GlobalId, two: GlobalId, field: str) -> None:
        """Return if no camera is known to have seen two persons at once.

        Raises:
            InvalidInput: One has.
        """
        keys, seen_with = self._keys_of(one), self._met_by(one)
        met = (seen_with & self._keys_of(two)) | (keys & self._met_by(two))
        if met:
            raise InvalidInput(
                f"was seen by camera {min(met).camera_id} at once with {one}, so they "
                "are two people",
                field=field,
            )

    def _keys_of(self, global_id: GlobalId) -> set[TrackKey]:
        live = {track.key for track in self._live.tracks_of(global_id)}
        return live | set(self._live.persons[global_id].past_keys)

    def _met_by(self, global_id: GlobalId) -> set[TrackKey]:
        """Return the tracks that were seen at once with one of a person."""
        met = set(self._live.persons[global_id].past_conflicts)
        for track in self._live.tracks_of(global_id):
            met |= track.conflicts
        return met

    def _require_rest(
        self, own: GlobalId, parting: Iterable[Tracklet], field: str
    ) -> None:
        """Return if something remains of a person without some tracks.

        Raises:
            InvalidInput: Nothing would.
        """
        if not self._has_rest(own, parting):
            raise InvalidInput(
                f"all that is known of {own} would leave, so there is nobody to be "
                "told from",
                field=field,
            )

    def _has_rest(self, own: GlobalId, parting: Iterable[Tracklet]) -> bool:
        person = self._live.persons[own]
        going = {track.key for track in parting}
        staying = {track.key for track in self._live.tracks_of(own)} - going
        return bool(staying or person.cameras or person.past_keys)

    def _track(self, key: TrackKey) -> Tracklet:
        """Return a live track.

        Raises:
            NotFound: It never was, or has ended.
        """
        track = self._live.tracks.get(key)
        if track is None:
            raise NotFound(f"{_said(key)} is not live", field="track")
        return track

    def _track_of(self, key: TrackKey, person: GlobalId, field: str) -> Tracklet:
        """Return a live track of a person.

        Raises:
            NotFound: There is none of that name.
            InvalidInput: It is of somebody else.
        """
        track = self._live.tracks.get(key)
        if track is None:
            raise NotFound(f"{_said(key)} is not live", field=field)
        if track.global_id != person:
            raise InvalidInput(f"{_said(key)} is not {person}", field=field)
        return track


def _at_once(one: Tracklet, two: Tracklet) -> bool:
    return one.key in two.conflicts or two.key in one.conflicts


def _said(key: TrackKey) -> str:
    return f"track {key.track_id} of camera {key.camera_id}"


def _without(
    whole: dict[CameraId, CameraRecord],
    part: dict[CameraId, CameraRecord],
    before: dict[CameraId, CameraRecord],
) -> dict[CameraId, CameraRecord]:
    """Return sightings less those of a part that was once joined to them.

    Args:
        whole: Sightings of both.
        part: Sightings to take out.
        before: Sightings of the whole before the part was joined.
    """
    rest = {}
    for camera_id, record in whole.items():
        taken = part.get(camera_id)
        left = record.detections - (taken.detections if taken else 0)
        if taken is None:
            rest[camera_id] = record
        elif left > 0:
            own = before.get(camera_id)
            # Whatever came after the part was joined is later than all of it.
            later = record.last_ns > taken.last_ns
            rest[camera_id] = CameraRecord(
                detections=left,
                first_ns=own.first_ns if own else taken.last_ns,
                last_ns=record.last_ns if later or own is None else own.last_ns,
            )
    return rest
