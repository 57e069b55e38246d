"""The live set as compact, versioned bytes: what a store keeps after every tick.

Vectors are left out; they are stored apart, and only when they change. Numbers keep
every bit, so that a restart changes no answer.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.common.ids import CameraId, GlobalId, SessionId, TrackId
from services.reid.domain.appearance import Prototype
from services.reid.domain.constraints import Constraints
from services.reid.domain.learned_state import (
    floors_from_json,
    floors_to_json,
    looks_from_json,
    looks_to_json,
    spot_to_json,
)
from services.reid.domain.live_set import LiveSet
from services.reid.domain.motion import Motion
from services.reid.domain.person import Person
from services.reid.domain.recall import Recall
from services.reid.domain.recall_state import recall_from_json, recall_to_json
from services.reid.domain.spot import Spot
from services.reid.domain.tracklet import CameraRecord, Tracklet
from services.reid.domain.values import TrackKey

_VERSION = 2

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPrototype:
    """A prototype with its person, and the session of its source track."""

    global_id: GlobalId
    session_id: SessionId
    prototype: Prototype

    @property
    def ended(self) -> Prototype:
        """The prototype as that of a track which is over."""
        return replace(self.prototype, source=None)


def encode_live(live: LiveSet, persons: Iterable[GlobalId]) -> bytes:
    """Return the live set as bytes.

    Args:
        live: State.
        persons: Persons to include; the others are stored one by one.
    """
    pairs = live.pairs
    rows, columns = np.nonzero(np.triu(pairs.known, 1))
    document = {
        "version": _VERSION,
        "session": live.session_id,
        "frame_set": live.frame_set,
        "time_ns": live.time_ns,
        "next_label": live.next_label,
        "tracks": [_track_to_json(live.tracks[key]) for key in sorted(live.tracks)],
        "persons": [person_to_json(live.persons[one]) for one in sorted(persons)],
        "constraints": live.constraints.to_json(),
        "pair_keys": pairs.keys,
        "recall": recall_to_json(live.recall),
        "pairs": [rows.tolist(), columns.tolist(), pairs.nats[rows, columns].tolist()],
        "walked": pairs.walked[rows, columns].tolist(),
        "floors": floors_to_json(live.floors),
        "looks": looks_to_json(live.looks),
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def decode_live(
    state: bytes,
    session_id: SessionId,
    stored: Mapping[GlobalId, Person],
    prototypes: Iterable[StoredPrototype],
) -> LiveSet:
    """Return the live set that a store kept.

    Args:
        state: From `encode_live`.
        session_id: Session that goes on. Another than the stored one ends all tracks.
        stored: Persons stored one by one; those inside `state` are newer.
        prototypes: All prototypes of these persons.

    Raises:
        ValueError: A newer version of the software wrote the state.
    """
    document = json.loads(zlib.decompress(state))
    if document["version"] > _VERSION:
        raise ValueError(f"live state of unknown version {document['version']}")
    live = LiveSet(
        session_id=SessionId(document["session"]),
        frame_set=document["frame_set"],
        time_ns=document["time_ns"],
        next_label=document["next_label"],
    )
    live.persons = dict(stored)
    for one in document["persons"]:
        person = person_from_json(one)
        live.persons[person.global_id] = person
    for one in document["tracks"]:
        track = _track_from_json(one)
        live.tracks[track.key] = track
    live.constraints = Constraints.from_json(document.get("constraints", {}))
    _attach_prototypes(live, prototypes)
    live.pairs.rearrange([_key(one) for one in document["pair_keys"]])
    rows, columns, nats = document["pairs"]
    live.pairs.nats[rows, columns] = live.pairs.nats[columns, rows] = nats
    walked = document.get("walked", nats)
    live.pairs.walked[rows, columns] = live.pairs.walked[columns, rows] = walked
    live.pairs.known[rows, columns] = live.pairs.known[columns, rows] = True
    live.floors = floors_from_json(document.get("floors", []))
    live.looks = looks_from_json(document.get("looks"))
    # What an earlier version wrote has asked nothing.
    live.recall = recall_from_json(document.get("recall", {}))
    if live.session_id != session_id:
        _begin_session(live, session_id)
    return live


def person_to_json(person: Person) -> Json:
    """Return a person without prototypes."""
    return {
        "id": person.global_id,
        "label": person.label,
        "motion": _motion_to_json(person.motion),
        "confirmed": person.confirmed,
        "cameras": {
            camera_id: [record.detections, record.first_ns, record.last_ns]
            for camera_id, record in person.cameras.items()
        },
        "spots": {
            camera_id: spot_to_json(spot) for camera_id, spot in person.spots.items()
        },
        "past_keys": person.past_keys,
        "past_conflicts": person.past_conflicts,
        "portrait": [person.portrait_quality, person.portrait_asked_ns],
    }


def person_from_json(document: Json) -> Person:
    """Return a person from what `person_to_json` made."""
    quality, asked_ns = document["portrait"]
    return Person(
        global_id=GlobalId(document["id"]),
        label=document["label"],
        motion=_motion_from_json(document["motion"]),
        confirmed=document["confirmed"],
        cameras={
            CameraId(camera_id): CameraRecord(*record)
            for camera_id, record in document["cameras"].items()
        },
        spots={
            CameraId(camera_id): Spot(*spot)
            for camera_id, spot in document.get("spots", {}).items()
        },
        past_keys=[_key(one) for one in document["past_keys"]],
        past_conflicts=[_key(one) for one in document["past_conflicts"]],
        portrait_quality=quality,
        portrait_asked_ns=asked_ns,
    )


def _track_to_json(track: Tracklet) -> Json:
    record = track.record
    return {
        "key": track.key,
        "begun_ns": track.begun_ns,
        "listed_ns": track.listed_ns,
        "record": record and [record.detections, record.first_ns, record.last_ns],
        "motion": _motion_to_json(track.motion),
        "spot": track.spot and spot_to_json(track.spot),
        "person": track.global_id,
        "flags": [track.provisional, track.returned, track.torn],
        "asked_ns": track.asked_ns,
        "conflicts": sorted(track.conflicts),
        "past": sorted(track.past.items()),
        "places": sorted(track.places.items()),
    }


def _track_from_json(document: Json) -> Tracklet:
    provisional, returned, torn = document["flags"]
    return Tracklet(
        key=_key(document["key"]),
        begun_ns=document["begun_ns"],
        listed_ns=document["listed_ns"],
        record=CameraRecord(*document["record"]) if document["record"] else None,
        motion=_motion_from_json(document["motion"]),
        spot=Spot(*document["spot"]) if document.get("spot") else None,
        global_id=document["person"],
        provisional=provisional,
        returned=returned,
        torn=torn,
        asked_ns=document["asked_ns"],
        conflicts={_key(one) for one in document["conflicts"]},
        past={GlobalId(one): nats for one, nats in document["past"]},
        places={GlobalId(one): nats for one, nats in document.get("places", [])},
    )


def _motion_to_json(motion: Motion | None) -> list[Any] | None:
    if motion is None:
        return None
    return [
        motion.mean.tolist(),
        motion.covariance.tolist(),
        motion.time_ns,
        motion.floor_id,
        motion.calibration_revision,
    ]


def _motion_from_json(document: list[Any] | None) -> Motion | None:
    if document is None:
        return None
    mean, covariance, time_ns, floor_id, revision = document
    return Motion(np.array(mean), np.array(covariance), time_ns, floor_id, revision)


def _attach_prototypes(live: LiveSet, prototypes: Iterable[StoredPrototype]) -> None:
    """Give each prototype to its live track, or to its person."""
    for stored in sorted(prototypes, key=lambda one: one.prototype.prototype_id):
        prototype = stored.prototype
        source = prototype.source
        track = live.tracks.get(source) if source is not None else None
        if track is not None and stored.session_id == live.session_id:
            track.prototypes.append(prototype)
        else:
            give_prototypes(live.persons, [stored])


def give_prototypes(
    persons: Mapping[GlobalId, Person], prototypes: Iterable[StoredPrototype]
) -> None:
    """Give persons their prototypes, as of tracks that have ended."""
    for stored in prototypes:
        if stored.global_id in persons:
            persons[stored.global_id].prototypes.append(stored.ended)


def _begin_session(live: LiveSet, session_id: SessionId) -> None:
    """End every track: another session numbers its tracks anew."""
    for track in list(live.tracks.values()):
        live.constraints.ended(track.key, track.global_id)
        if track.global_id is not None:
            person = live.persons[track.global_id]
            person.remember(track, history_keys=0)
            person.prototypes.extend(
                replace(one, source=None) for one in track.prototypes
            )
    live.tracks.clear()
    live.pairs.rearrange([])
    live.recall = Recall()
    for person in live.persons.values():
        person.past_keys.clear()
        person.past_conflicts.clear()
    live.session_id = session_id


def _key(document: list[Any]) -> TrackKey:
    camera_id, track_id = document
    return TrackKey(CameraId(camera_id), TrackId(track_id))
