"""What a session published about a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from services.common.ids import CameraId

Corners = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """One track in one frame.

    Attributes:
        camera_id: The camera.
        frame: Number of the frame in the recording.
        frame_set: Frame set that it was published with.
        time_ns: When the frame was taken, nanoseconds since 1970 UTC.
        track_id: Track within the camera.
        global_id: The person, as published; 0 for nobody.
        provisional: Whether that could still change without a merge or split.
        coasted: Whether it was predicted, and no detection supports it.
        score: Score of the detection; 0 when coasted.
        corners_px: Corners x_min, y_min, x_max, y_max.
        position_m: Where the person stands, seen from this camera; None if unknown.
    """

    camera_id: CameraId
    frame: int
    frame_set: int
    time_ns: int
    track_id: int
    global_id: int
    provisional: bool
    coasted: bool
    score: float
    corners_px: Corners
    position_m: Point | None


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame set.

    Attributes:
        frame_set: The frame set.
        time_ns: Start of its interval, nanoseconds since 1970 UTC.
        global_id: The person, as published.
        position_m: Fused position; None if no camera located the person.
        camera_ids: Cameras that see the person.
    """

    frame_set: int
    time_ns: int
    global_id: int
    position_m: Point | None
    camera_ids: tuple[CameraId, ...]


class ChangeKind(Enum):
    """What happened to an identity."""

    CREATED = "created"
    MERGED = "merged"
    SPLIT = "split"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Change:
    """An event about an identity.

    Attributes:
        kind: What happened.
        frame_set: Frame set that caused it.
        global_id: The identity that it is about.
        other_global_id: The identity merged into it or split from it; else 0.
    """

    kind: ChangeKind
    frame_set: int
    global_id: int
    other_global_id: int


@dataclass(frozen=True, slots=True)
class Published:
    """Everything that a session published, in its order.

    Attributes:
        boxes: All tracks in all frames.
        persons: All persons in all frame sets.
        changes: What happened to identities.
        frames: How many frames of each camera were looked at.
        embeddings: How many vectors were asked for.
        associate_s: Time that each frame set took to be associated, seconds.
        wall_s: Time that the session took, seconds.
    """

    boxes: Sequence[Box]
    persons: Sequence[Person]
    changes: Sequence[Change]
    frames: Mapping[CameraId, int]
    embeddings: int
    associate_s: Sequence[float]
    wall_s: float
