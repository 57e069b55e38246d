"""Events of a busy place, encoded as the log stores them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from services.common.convert import ns_to_timestamp
from spoton.common.v1 import events_pb2

_START_S = 1_767_265_200
_CAMERAS = ("east", "middle", "west")
_SIDE_M = 20.0
_FIRST_ID = 28_000_000_000 << 22
"""Global ids carry the milliseconds since 2026 in their high bits."""


@dataclass(frozen=True, slots=True)
class HistoryScene:
    """People who walk in circles, seen by one or two of three cameras.

    Attributes:
        updates: Frame sets, ten a second.
        persons: People in each.
    """

    updates: int
    persons: int

    @property
    def positions(self) -> int:
        """Samples in all updates."""
        return self.updates * self.persons

    def encoded(self) -> Iterator[bytes]:
        """Yield the updates as they are stored in the log."""
        for number in range(self.updates):
            yield self._update(number).SerializeToString()

    def _update(self, number: int) -> events_pb2.EnvironmentEvent:
        time_ns = _START_S * 1_000_000_000 + number * 100_000_000
        event = events_pb2.EnvironmentEvent(environment_id="bench")
        event.event_time.CopyFrom(ns_to_timestamp(time_ns + 80_000_000))
        tracking = event.tracking
        tracking.session_id, tracking.timeline_id = "session-bench", "timeline-bench"
        tracking.frame_set = number + 1
        tracking.capture_time.CopyFrom(ns_to_timestamp(time_ns))
        cameras = []
        for camera_id in _CAMERAS:
            camera = tracking.cameras.add()
            camera.frame.session_id, camera.frame.camera_id = "session-bench", camera_id
            camera.frame.frame_index = number
            camera.frame.capture_time.CopyFrom(tracking.capture_time)
            camera.frame_size.width, camera.frame_size.height = 1920, 1080
            cameras.append(camera)
        for person in range(1, self.persons + 1):
            self._add(tracking, cameras, person, number)
        return event

    def _add(
        self,
        tracking: events_pb2.TrackingUpdate,
        cameras: list[events_pb2.CameraTracks],
        person: int,
        number: int,
    ) -> None:
        radius_m = 2.0 + person % 7
        angle = number * 0.13 / radius_m + person
        x_m = _SIDE_M / 2 + radius_m * math.cos(angle)
        y_m = _SIDE_M / 2 + radius_m * math.sin(angle)
        third = min(int(x_m / _SIDE_M * 3), 2)
        seen = {third, min(third + 1, 2)} if person % 2 else {third}
        state = tracking.persons.add(global_id=_FIRST_ID + person, label=person)
        state.camera_ids.extend(_CAMERAS[index] for index in sorted(seen))
        state.position.point.x_m, state.position.point.y_m = x_m, y_m
        covariance = state.position.covariance
        covariance.xx_m2, covariance.xy_m2, covariance.yy_m2 = 0.04, 0.01, 0.03
        state.position.floor_id, state.position.calibration_revision = "ground", 1
        state.velocity_x_mps = -1.3 * math.sin(angle)
        state.velocity_y_mps = 1.3 * math.cos(angle)
        for index in seen:
            track = cameras[index].tracks.add(
                track_id=person, global_id=_FIRST_ID + person, score=0.9
            )
            track.box.x_min, track.box.y_min = 10.0 * person, 100.0
            track.box.x_max, track.box.y_max = 10.0 * person + 80, 300.0
            track.position.CopyFrom(state.position)
