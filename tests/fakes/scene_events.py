"""A scripted scene as the events that a pipeline and reid would publish."""

from collections import defaultdict
from collections.abc import Iterator

from spoton.common.v1 import events_pb2
from tests.fakes.scripted_scene import (
    CAMERAS,
    FLOOR,
    STEP_US,
    IdentityChange,
    Scene,
    Sighting,
    timestamp,
)

FRAME_WIDTH, FRAME_HEIGHT = 1280, 720


def events(scene: Scene) -> Iterator[tuple[int, events_pb2.EnvironmentEvent]]:
    """Yield every event with its time in front of the cameras, in order.

    A change of an identity comes before the frame set of its time.
    """
    by_time: dict[int, list[Sighting]] = defaultdict(list)
    for sighting in scene.sightings:
        by_time[sighting.time_us].append(sighting)
    changes = list(scene.changes)
    known: set[int] = set()
    tracks = _Tracks()
    yield scene.start_us, _session(scene, events_pb2.SESSION_EVENT_KIND_RUNNING)
    for number in range(scene.frame_sets):
        time_us = scene.start_us + number * STEP_US
        seen = by_time[time_us]
        while changes and changes[0].time_us <= time_us:
            yield time_us, _identity(scene, changes.pop(0))
        for global_id in sorted({one.global_id for one in seen} - known):
            created = events_pb2.IDENTITY_EVENT_KIND_CREATED
            yield time_us, _identity(scene, _created(time_us, created, global_id))
            known.add(global_id)
        yield time_us, _update(scene, number + 1, time_us, seen, tracks)
    for change in changes:
        yield change.time_us, _identity(scene, change)
    if not scene.ends:
        return
    end_us = max([scene.end_us, *(one.time_us for one in changes)])
    yield end_us, _session(scene, events_pb2.SESSION_EVENT_KIND_COMPLETED)


class _Tracks:
    """Numbers what each camera sees without interruption."""

    def __init__(self) -> None:
        self._number: dict[tuple[str, int, int], tuple[int, int]] = {}
        self._last: dict[str, int] = defaultdict(int)

    def number(self, camera_id: str, sighting: Sighting) -> int:
        """Return the number of a sighting's track in a camera."""
        key = camera_id, sighting.person, sighting.track
        number, last_us = self._number.get(key, (0, 0))
        if sighting.time_us - last_us > STEP_US:
            self._last[camera_id] += 1
            number = self._last[camera_id]
        self._number[key] = number, sighting.time_us
        return number


def _update(
    scene: Scene,
    frame_set: int,
    time_us: int,
    seen: list[Sighting],
    tracks: _Tracks,
) -> events_pb2.EnvironmentEvent:
    event = events_pb2.EnvironmentEvent(event_time=timestamp(time_us + STEP_US))
    update = event.tracking
    update.session_id, update.timeline_id = scene.session_id, scene.timeline_id
    update.frame_set = frame_set
    update.capture_time.CopyFrom(timestamp(time_us))
    for camera_id in sorted(CAMERAS):
        camera = update.cameras.add()
        camera.frame.session_id, camera.frame.camera_id = scene.session_id, camera_id
        camera.frame.frame_index = frame_set - 1
        camera.frame.capture_time.CopyFrom(timestamp(time_us))
        camera.frame_size.width, camera.frame_size.height = FRAME_WIDTH, FRAME_HEIGHT
        for sighting in seen:
            if camera_id in sighting.camera_ids:
                track_id = tracks.number(camera_id, sighting)
                _add_track(camera.tracks.add(), track_id, sighting)
    for sighting in seen:
        person = update.persons.add(
            global_id=sighting.global_id,
            label=sighting.global_id,
            camera_ids=sighting.camera_ids,
            provisional=sighting.provisional,
        )
        if sighting.position_m is not None:
            _place(person.position, sighting)
            person.velocity_x_mps, person.velocity_y_mps = sighting.velocity_mps
    return event


def _add_track(
    track: events_pb2.TrackedPerson, number: int, sighting: Sighting
) -> None:
    track.track_id, track.global_id = number, sighting.global_id
    track.box.x_max, track.box.y_max = 40, 100
    track.score, track.provisional = 0.9, sighting.provisional
    if sighting.position_m is not None:
        _place(track.position, sighting)


def _place(position, sighting: Sighting) -> None:
    position.point.x_m, position.point.y_m = sighting.position_m or (0.0, 0.0)
    position.covariance.xx_m2 = position.covariance.yy_m2 = 0.04
    position.floor_id, position.calibration_revision = FLOOR, 1


def _created(time_us: int, kind, global_id: int) -> IdentityChange:
    return IdentityChange(time_us, kind, global_id, 0)


def _identity(scene: Scene, change: IdentityChange) -> events_pb2.EnvironmentEvent:
    event = events_pb2.EnvironmentEvent(event_time=timestamp(change.time_us))
    identity = event.identity
    identity.kind, identity.timeline_id = change.kind, scene.timeline_id
    identity.global_id = change.global_id
    identity.other_global_id = change.other_global_id
    identity.frame_set = (change.time_us - scene.start_us) // STEP_US + 1
    identity.capture_time.CopyFrom(timestamp(change.time_us))
    return event


def _session(
    scene: Scene, kind: "events_pb2.SessionEventKind.ValueType"
) -> events_pb2.EnvironmentEvent:
    event = events_pb2.EnvironmentEvent()
    running = kind == events_pb2.SESSION_EVENT_KIND_RUNNING
    time_us = scene.start_us if running else scene.end_us
    event.event_time.CopyFrom(timestamp(time_us))
    event.session.kind, event.session.session_id = kind, scene.session_id
    event.session.timeline_id, event.session.epoch = scene.timeline_id, 1
    return event
