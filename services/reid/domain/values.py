"""What cameras report to the association, and what it answers."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId, GlobalId, SessionId, TrackId

Vector = NDArray[np.float32]
"""Appearance, float32, shape (dimensions,), unit length."""


class TrackKey(NamedTuple):
    """Names a track among all cameras of a session."""

    camera_id: CameraId
    track_id: TrackId


@dataclass(frozen=True, slots=True)
class FloorFix:
    """Where on the floor somebody stands, as one camera sees it.

    Attributes:
        x_m: Position along the floor's x axis, metres.
        y_m: Position along the floor's y axis, metres.
        xx_m2: Variance along x, square metres.
        xy_m2: Covariance of x and y, square metres.
        yy_m2: Variance along y, square metres.
        floor_id: Level of the building.
        calibration_revision: Calibration that produced the position.
    """

    x_m: float
    y_m: float
    xx_m2: float
    xy_m2: float
    yy_m2: float
    floor_id: str
    calibration_revision: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track in one frame.

    Attributes:
        key: The track.
        height_px: Height of the box in the full frame, pixels.
        score: Score of the detection, in [0, 1].
        coasted: Whether no detection supports the track in this frame.
        occlusion: Share of the box covered by nearer boxes, in [0, 1].
        fix: Position on the floor, if it is known.
        vector: Appearance, if the tracker had asked for it.
        centre_px: Centre of the box in the full frame, pixels; None if not told.
    """

    key: TrackKey
    height_px: float
    score: float
    coasted: bool
    occlusion: float
    fix: FloorFix | None = None
    vector: Vector | None = None
    centre_px: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class CameraSightings:
    """What one camera saw in a frame set.

    Attributes:
        camera_id: The camera.
        captured_ns: When the frame was taken, nanoseconds since 1970 UTC.
        clock_sigma_s: Standard deviation of that time, seconds.
        sightings: Tracks in the frame.
        ended: Tracks of the camera that ended since the frame set before.
    """

    camera_id: CameraId
    captured_ns: int
    clock_sigma_s: float
    sightings: tuple[Sighting, ...]
    ended: tuple[TrackKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Portrait:
    """A picture of a person that the client sends.

    Attributes:
        global_id: Person to whom the track belonged when it was asked for.
        key: The track.
        captured_ns: When it was taken, nanoseconds since 1970 UTC.
        quality: Quality that was computed when it was asked for, in [0, 1].
        jpeg: The file.
    """

    global_id: GlobalId
    key: TrackKey
    captured_ns: int
    quality: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Tracks of one frame set.

    Attributes:
        session_id: Session that the frames belong to.
        frame_set: Number of the frame set in the timeline; grows.
        captured_ns: Start of its interval, nanoseconds since 1970 UTC.
        cameras: Newest result of each camera in the set, each camera once.
        portraits: Pictures that earlier answers asked for.
    """

    session_id: SessionId
    frame_set: int
    captured_ns: int
    cameras: tuple[CameraSightings, ...]
    portraits: tuple[Portrait, ...] = ()


class EventKind(Enum):
    """What happened to an identity."""

    CREATED = "created"
    MERGED = "merged"
    SPLIT = "split"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """A change of an identity.

    Attributes:
        kind: What happened.
        global_id: The identity that the change is about.
        other_global_id: The identity merged into it or split from it; 0 otherwise.
        frame_set: Frame set that caused it; None for an operator's word.
        captured_ns: When it happened, nanoseconds since 1970 UTC.
    """

    kind: EventKind
    global_id: GlobalId
    other_global_id: GlobalId
    frame_set: int | None
    captured_ns: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """The person of one track.

    Attributes:
        key: The track.
        global_id: The person.
        provisional: Whether that may still change without a merge or split.
    """

    key: TrackKey
    global_id: GlobalId
    provisional: bool


@dataclass(frozen=True, slots=True)
class PersonPresence:
    """A person who is present, all cameras together.

    Attributes:
        global_id: The person.
        label: Number within the timeline, from 1.
        fix: Filtered position on the floor, if any camera ever located the person.
        velocity_mps: Velocity along the floor's axes, metres per second; with `fix`.
        camera_ids: Cameras that see the person, sorted.
        provisional: Whether every track of the person is provisional.
    """

    global_id: GlobalId
    label: int
    fix: FloorFix | None
    velocity_mps: tuple[float, float] | None
    camera_ids: tuple[CameraId, ...]
    provisional: bool


@dataclass(frozen=True, slots=True)
class PortraitWanted:
    """Asks for a picture of a person, cut from the tick's frame.

    Attributes:
        key: The track to cut out.
        global_id: The person.
        quality: Quality of the picture, in [0, 1].
    """

    key: TrackKey
    global_id: GlobalId
    quality: float


@dataclass(frozen=True, slots=True)
class TickAnswer:
    """Who is who in one frame set.

    Attributes:
        frame_set: The frame set.
        assignments: Each track of the tick, by camera and track.
        persons: Each person present, by label.
        changes: What changed with this tick, in order.
        portraits_wanted: Pictures to send with a later tick.
        portraits: Pictures that came with the tick, with the persons they show.
    """

    frame_set: int
    assignments: tuple[Assignment, ...]
    persons: tuple[PersonPresence, ...]
    changes: tuple[IdentityChange, ...]
    portraits_wanted: tuple[PortraitWanted, ...]
    portraits: tuple[Portrait, ...] = ()
