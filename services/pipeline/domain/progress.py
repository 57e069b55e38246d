"""How far a session has come: counts per camera, and where the time goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.common.errors import SpotOnError
from services.common.ids import CameraId


class DropReason(StrEnum):
    """Why frames are given up."""

    LATE = "late"
    RATE = "rate"
    FAILOVER = "failover"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames `first` to `end - 1` of a source."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Distribution of a duration over the latest frames, seconds.

    Attributes:
        p50_s: Median.
        p95_s: 95th percentile.
        count: Frames measured.
    """

    p50_s: float
    p95_s: float
    count: int


@dataclass(frozen=True, slots=True)
class CameraProgress:
    """Counts of one camera at one moment.

    `received` equals `processed` plus all of `dropped` plus `in_flight`.

    Attributes:
        camera_id: The camera.
        received: Frames decoded.
        processed: Frames in a committed frame set.
        dropped: Frames given up, by reason.
        in_flight: Frames being worked on.
        lost_upstream: Frames that the source lost before they could be decoded.
        container_frames: Frames that the container states, if it states them.
        skipped: Ranges skipped by seeking, in order.
        detections: Detections, weak ones included.
        strong_detections: Detections at or above the detector's high threshold.
        tracks: Tracks that were confirmed.
        embeddings: Detections for which a vector was computed.
        stages: Time per frame, by name of the stage.
        position_ns: Capture time of the last committed frame, nanoseconds since 1970
            UTC; None before the first.
        at_end: Whether the source was read to its end.
        error: Why the source cannot be read further; None while it can.
        lag_s: For how long the oldest frame in flight is due, seconds. Not stored.
    """

    camera_id: CameraId
    received: int = 0
    processed: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    in_flight: int = 0
    lost_upstream: int = 0
    container_frames: int | None = None
    skipped: tuple[FrameRange, ...] = ()
    detections: int = 0
    strong_detections: int = 0
    tracks: int = 0
    embeddings: int = 0
    stages: Mapping[str, Latency] = field(default_factory=dict)
    position_ns: int | None = None
    at_end: bool = False
    error: SpotOnError | None = None
    lag_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SessionProgress:
    """Counts of a whole session at one moment.

    Attributes:
        cameras: Every camera, in the order of the names.
        frame_sets: Frame sets committed.
        late_frames: Camera frames that came after their frame set was closed.
        end_to_end: From decoding a frame set's last frame to its commit; None before
            the first.
    """

    cameras: tuple[CameraProgress, ...]
    frame_sets: int = 0
    late_frames: int = 0
    end_to_end: Latency | None = None
