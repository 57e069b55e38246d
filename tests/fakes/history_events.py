"""Events of an environment, written by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.common.convert import ns_to_timestamp
from spoton.common.v1 import events_pb2, geometry_pb2

START_US = 1_767_265_200_000_000
"""2026-01-01 11:00 UTC, microseconds since 1970."""
S_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A person in one update.

    Attributes:
        global_id: Who.
        place_m: Where; None without a position.
        tracks: Cameras and their tracks.
        velocity_mps: How fast; None without one.
        floor_id: Level.
    """

    global_id: int
    place_m: tuple[float, float] | None = (0.0, 0.0)
    tracks: Mapping[str, int] | None = None
    velocity_mps: tuple[float, float] | None = (0.0, 0.0)
    floor_id: str = "ground"


def update(
    at_s: float,
    persons: Iterable[Seen],
    *,
    frame_set: int | None = None,
    session_id: str = "session-1",
    timeline_id: str = "timeline-1",
    cameras: Sequence[str] = ("east",),
) -> events_pb2.EnvironmentEvent:
    """Return a tracking update, so many seconds after START_US."""
    time_us = START_US + round(at_s * S_US)
    event = events_pb2.EnvironmentEvent(environment_id="plaza")
    event.event_time.CopyFrom(ns_to_timestamp(time_us * 1000 + 50_000_000))
    tracking = event.tracking
    tracking.session_id, tracking.timeline_id = session_id, timeline_id
    tracking.frame_set = round(at_s * 10) + 1 if frame_set is None else frame_set
    tracking.capture_time.CopyFrom(ns_to_timestamp(time_us * 1000))
    by_camera: dict[str, list[tuple[int, int]]] = {name: [] for name in cameras}
    for seen in persons:
        tracks = seen.tracks or {"east": seen.global_id}
        for camera_id, track_id in tracks.items():
            by_camera.setdefault(camera_id, []).append((track_id, seen.global_id))
        tracking.persons.append(_person(seen, sorted(tracks)))
    for camera_id, found in by_camera.items():
        camera = tracking.cameras.add()
        camera.frame.session_id, camera.frame.camera_id = session_id, camera_id
        for track_id, global_id in found:
            camera.tracks.add(track_id=track_id, global_id=global_id, score=0.5)
    return event


def identity(
    kind: str,
    global_id: int,
    other: int = 0,
    *,
    at_s: float = 0.0,
    frame_set: int | None = None,
    timeline_id: str = "timeline-1",
) -> events_pb2.EnvironmentEvent:
    """Return an identity event of a kind such as "merged"."""
    event = events_pb2.EnvironmentEvent(environment_id="plaza")
    time = ns_to_timestamp((START_US + round(at_s * S_US)) * 1000)
    event.event_time.CopyFrom(time)
    event.identity.kind = events_pb2.IdentityEventKind.Value(
        f"IDENTITY_EVENT_KIND_{kind.upper()}"
    )
    event.identity.timeline_id = timeline_id
    event.identity.global_id, event.identity.other_global_id = global_id, other
    event.identity.capture_time.CopyFrom(time)
    if frame_set is not None:
        event.identity.frame_set = frame_set
    return event


def session(
    kind: str, *, at_s: float = 0.0, detail: str = ""
) -> events_pb2.EnvironmentEvent:
    """Return a session event of a kind such as "sought"."""
    event = events_pb2.EnvironmentEvent(environment_id="plaza")
    event.event_time.CopyFrom(ns_to_timestamp((START_US + round(at_s * S_US)) * 1000))
    event.session.kind = events_pb2.SessionEventKind.Value(
        f"SESSION_EVENT_KIND_{kind.upper()}"
    )
    event.session.session_id, event.session.timeline_id = "session-1", "timeline-1"
    event.session.epoch, event.session.detail = 1, detail
    return event


def _person(seen: Seen, camera_ids: list[str]) -> events_pb2.PersonState:
    person = events_pb2.PersonState(
        global_id=seen.global_id, label=seen.global_id, camera_ids=camera_ids
    )
    if seen.place_m is not None:
        x_m, y_m = seen.place_m
        person.position.point.CopyFrom(geometry_pb2.FloorPoint(x_m=x_m, y_m=y_m))
        person.position.covariance.CopyFrom(
            geometry_pb2.FloorCovariance(xx_m2=0.04, yy_m2=0.01)
        )
        person.position.floor_id = seen.floor_id
        person.position.calibration_revision = 1
        if seen.velocity_mps is not None:
            person.velocity_x_mps, person.velocity_y_mps = seen.velocity_mps
    return person
