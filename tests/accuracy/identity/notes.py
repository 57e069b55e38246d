"""Write down what a session publishes, while it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.common.ids import CameraId
from spoton.common.v1 import events_pb2, geometry_pb2
from tests.accuracy.identity.published import (
    Box,
    Change,
    ChangeKind,
    Person,
    Point,
    Published,
)

_KINDS = {
    events_pb2.IDENTITY_EVENT_KIND_CREATED: ChangeKind.CREATED,
    events_pb2.IDENTITY_EVENT_KIND_MERGED: ChangeKind.MERGED,
    events_pb2.IDENTITY_EVENT_KIND_SPLIT: ChangeKind.SPLIT,
    events_pb2.IDENTITY_EVENT_KIND_RETURNED: ChangeKind.RETURNED,
}


@dataclass(slots=True)
class Notes:
    """What was published so far.

    Attributes:
        associate_s: Time that each frame set took to be associated, seconds.
    """

    boxes: list[Box] = field(default_factory=list)
    persons: list[Person] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    associate_s: list[float] = field(default_factory=list)

    def add(self, update: events_pb2.TrackingUpdate) -> None:
        """Take in what is published about one frame set."""
        self.boxes += _boxes(update)
        self.persons += _persons(update)

    def add_change(self, event: events_pb2.IdentityEvent) -> None:
        """Take in what happened to an identity."""
        self.changes.append(
            Change(
                _KINDS[event.kind],
                event.frame_set,
                event.global_id,
                event.other_global_id,
            )
        )

    def published(
        self, *, frames: Mapping[CameraId, int], embeddings: int, wall_s: float
    ) -> Published:
        """Return everything, with what is known about the session itself."""
        return Published(
            boxes=self.boxes,
            persons=self.persons,
            changes=self.changes,
            frames=frames,
            embeddings=embeddings,
            associate_s=self.associate_s,
            wall_s=wall_s,
        )


def _boxes(update: events_pb2.TrackingUpdate) -> Sequence[Box]:
    return [
        Box(
            camera_id=CameraId(camera.frame.camera_id),
            frame=camera.frame.frame_index,
            frame_set=update.frame_set,
            time_ns=camera.frame.capture_time.ToNanoseconds(),
            track_id=track.track_id,
            global_id=track.global_id,
            provisional=track.provisional,
            coasted=track.coasted,
            score=track.score,
            corners_px=(
                track.box.x_min,
                track.box.y_min,
                track.box.x_max,
                track.box.y_max,
            ),
            position_m=_point(track.position) if track.HasField("position") else None,
        )
        for camera in update.cameras
        for track in camera.tracks
    ]


def _persons(update: events_pb2.TrackingUpdate) -> Sequence[Person]:
    return [
        Person(
            frame_set=update.frame_set,
            time_ns=update.capture_time.ToNanoseconds(),
            global_id=person.global_id,
            position_m=_point(person.position) if person.HasField("position") else None,
            camera_ids=tuple(CameraId(name) for name in person.camera_ids),
        )
        for person in update.persons
    ]


def _point(position: geometry_pb2.FloorPosition) -> Point:
    return position.point.x_m, position.point.y_m
