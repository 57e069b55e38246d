"""What a runner must remember beside positions, checkpoints and counters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.common.ids import CameraId, TrackId
from services.pipeline.domain.frame_sets import FrameSetClock

_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunState:
    """Committed with every frame set, so that a new owner counts and cuts alike.

    Attributes:
        clock: How time is cut into frame sets since the start or the last seek.
        sought_ns: Capture time that the last seek went to, nanoseconds since 1970
            UTC; None before the first.
        frame_sets: Frame sets committed so far.
        confirmed: Tracks of each camera that were counted as confirmed and have not
            ended.
        last_track_ids: Largest track number that each camera has used.
    """

    clock: FrameSetClock
    sought_ns: int | None = None
    frame_sets: int = 0
    confirmed: Mapping[CameraId, tuple[TrackId, ...]] = field(default_factory=dict)
    last_track_ids: Mapping[CameraId, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the state as bytes, to be kept with a commit."""
        document = {
            "version": _VERSION,
            "clock": [
                self.clock.anchor_ns,
                self.clock.interval_ns,
                self.clock.anchor_number,
            ],
            "sought_ns": self.sought_ns,
            "frame_sets": self.frame_sets,
            "confirmed": dict(self.confirmed),
            "last_track_ids": dict(self.last_track_ids),
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, state: bytes) -> "RunState":
        """Return the state that `to_bytes` wrote.

        Raises:
            ValueError: It is of a version that is not understood.
        """
        document = json.loads(state)
        if document["version"] != _VERSION:
            raise ValueError(f"run state of version {document['version']}")
        return cls(
            clock=FrameSetClock(*document["clock"]),
            sought_ns=document["sought_ns"],
            frame_sets=document["frame_sets"],
            confirmed={
                CameraId(name): tuple(TrackId(number) for number in numbers)
                for name, numbers in document["confirmed"].items()
            },
            last_track_ids={
                CameraId(name): number
                for name, number in document["last_track_ids"].items()
            },
        )
