"""Wire to domain: events as the log stores them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.analytics.domain.columns import IdentityChange, SessionChange
from services.analytics.domain.intake import Intake
from services.analytics.domain.memory import TrackKey
from services.common.ids import CameraId, GlobalId, SessionId, TimelineId
from spoton.common.v1 import events_pb2

_IDENTITY_KINDS = {
    events_pb2.IDENTITY_EVENT_KIND_CREATED: "created",
    events_pb2.IDENTITY_EVENT_KIND_MERGED: "merged",
    events_pb2.IDENTITY_EVENT_KIND_SPLIT: "split",
    events_pb2.IDENTITY_EVENT_KIND_RETURNED: "returned",
}
_SESSION_KINDS = {
    number: name.removeprefix("SESSION_EVENT_KIND_").lower()
    for name, number in events_pb2.SessionEventKind.items()
}
_NAN = math.nan
_FIRST_S, _END_S = -62_135_596_800, 253_402_214_400
"""Seconds from 1970 to the first and last day that a Timestamp may hold."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken in.

    Attributes:
        unreadable: Events that are damaged, or none of this version.
        oldest_us: When the first readable event was appended; None without one.
        newest_us: When the last was.
    """

    unreadable: int
    oldest_us: int | None
    newest_us: int | None


def take_in(intake: Intake, entries: Iterable[tuple[int, bytes]]) -> Taken:
    """Give a batch the events of the log, oldest first.

    Args:
        intake: The batch.
        entries: Sequence and encoded event.
    """
    unreadable = 0
    oldest_us: int | None = None
    event_us: int | None = None
    for sequence, payload in entries:
        try:
            event = events_pb2.EnvironmentEvent.FromString(payload)
        except DecodeError:
            unreadable += 1
            continue
        event_us = us_from_timestamp(event.event_time)
        oldest_us = event_us if oldest_us is None else oldest_us
        match event.WhichOneof("event"):
            case "tracking" if not _is_storable(event.tracking):
                unreadable += 1
            case "tracking":
                _take_tracking(intake, event.tracking, event_us)
            case "identity":
                _take_identity(intake, event.identity, sequence, event_us)
            case "session":
                _take_session(intake, event.session, sequence, event_us)
            case "zone":
                # Visits are computed here, from positions.
                pass
            case _:
                unreadable += 1
    return Taken(unreadable, oldest_us, event_us)


def us_from_timestamp(timestamp: Timestamp) -> int:
    """Return microseconds since 1970-01-01 UTC, rounded down."""
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


def _is_storable(update: events_pb2.TrackingUpdate) -> bool:
    """Return whether an update has a number and a time that a table can hold."""
    seconds = update.capture_time.seconds
    return update.frame_set < 2**63 and _FIRST_S <= seconds < _END_S


def _take_tracking(
    intake: Intake, update: events_pb2.TrackingUpdate, event_us: int
) -> None:
    session_id = SessionId(update.session_id)
    intake.begin_update(
        session_id,
        TimelineId(update.timeline_id),
        update.frame_set,
        us_from_timestamp(update.capture_time),
        event_us,
    )
    for camera in update.cameras:
        camera_id = CameraId(camera.frame.camera_id)
        tracks = camera.tracks
        minute = intake.camera(camera_id, len(tracks))
        for track in tracks:
            global_id, coasted = track.global_id, track.coasted
            minute.coasted += coasted
            minute.unidentified += not global_id
            intake.track(
                TrackKey(session_id, camera_id, track.track_id),
                GlobalId(global_id),
                track.score,
                coasted=coasted,
                provisional=track.provisional,
            )
    persons = located = 0
    for person in update.persons:
        if person.global_id < 1:
            continue
        persons += 1
        place, floor_id = None, ""
        if person.HasField("position"):
            place, floor_id = _place(person), person.position.floor_id
            located += place is not None
        intake.person(
            GlobalId(person.global_id),
            person.label,
            person.camera_ids,
            floor_id if place else "",
            place,
        )
    intake.end_update(persons, located)


def _place(person: events_pb2.PersonState) -> tuple[float, ...] | None:
    """Return position, velocity and covariance; None where they are not finite."""
    position = person.position
    point, covariance = position.point, position.covariance
    place = (
        point.x_m,
        point.y_m,
        person.velocity_x_mps if person.HasField("velocity_x_mps") else _NAN,
        person.velocity_y_mps if person.HasField("velocity_y_mps") else _NAN,
        covariance.xx_m2,
        covariance.xy_m2,
        covariance.yy_m2,
    )
    usable = math.isfinite(place[0] + place[1]) and position.floor_id
    return place if usable else None


def _take_identity(
    intake: Intake, event: events_pb2.IdentityEvent, sequence: int, event_us: int
) -> None:
    kind = _IDENTITY_KINDS.get(event.kind)
    if kind is None or event.global_id < 1:
        return
    intake.identity(
        IdentityChange(
            kind=kind,
            timeline_id=TimelineId(event.timeline_id),
            global_id=GlobalId(event.global_id),
            other=GlobalId(event.other_global_id),
            frame_set=event.frame_set if event.HasField("frame_set") else None,
            time_us=(
                us_from_timestamp(event.capture_time)
                if event.HasField("capture_time")
                else None
            ),
            sequence=sequence,
            event_us=event_us,
        )
    )


def _take_session(
    intake: Intake, event: events_pb2.SessionEvent, sequence: int, event_us: int
) -> None:
    intake.session(
        SessionChange(
            kind=_SESSION_KINDS.get(event.kind, "unspecified"),
            session_id=SessionId(event.session_id),
            timeline_id=TimelineId(event.timeline_id),
            epoch=event.epoch,
            detail=event.detail,
            sequence=sequence,
            event_us=event_us,
        )
    )
