"""What is carried from one batch of events to the next.

It is stored with each batch, so that whoever goes on folds exactly as if there had
been one process and one batch.
"""

import json
import zlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.common.ids import CameraId, GlobalId, SessionId, TimelineId

_VERSION = 1
_FORGET_TRACKS_US = 60_000_000
_MOST_TIMELINES = 256


class TrackKey(NamedTuple):
    """A track among all of an environment."""

    session_id: SessionId
    camera_id: CameraId
    track_id: int


@dataclass(slots=True)
class TrackMemory:
    """Whose a track was when it was last seen.

    Attributes:
        key: The track.
        global_id: Its identity; 0 when it had none.
        last_us: Capture time of that frame set, microseconds since 1970.
        provisional: Whether the identity may still change.
    """

    key: TrackKey
    global_id: GlobalId
    last_us: int
    provisional: bool


@dataclass(slots=True)
class LastSample:
    """The newest sample of a person, whose duration is not known yet.

    Attributes:
        global_id: The identity, as published.
        time_us: Capture time, microseconds since 1970.
        x_m: Position, NaN without one.
        y_m: Position, NaN without one.
        speed_mps: Length of the velocity, NaN without one.
        floor_id: Level; empty without a position.
        sole_track: The only track that supported the person.
        stay: Number of the stay that the sample is in.
        session_id: Session of the sample.
        timeline_id: Timeline of the sample.
        pass_number: Pass of the sample.
        visits: Start of the visit that the sample is in, by key of the zone.
        appearances: First and latest sample, microseconds since 1970, of what may
            go on of the stay's appearances, by camera.
    """

    global_id: GlobalId
    time_us: int
    x_m: float
    y_m: float
    speed_mps: float
    floor_id: str
    sole_track: TrackKey | None
    stay: int
    session_id: SessionId
    timeline_id: TimelineId
    pass_number: int
    visits: dict[int, int] = field(default_factory=dict)
    appearances: dict[CameraId, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class TimelineMemory:
    """How far a timeline was read.

    Attributes:
        pass_number: Current pass, from 1.
        last_us: Capture time of the newest update, microseconds since 1970.
        sought: Whether the position was changed since.
    """

    pass_number: int
    last_us: int
    sought: bool = False


@dataclass(slots=True)
class Memory:
    """Everything that the next batch needs to know.

    Attributes:
        next_stay: Number of the next stay within the environment.
        timelines: By id.
        samples: Newest sample of each person who may still be there.
        tracks: Tracks seen lately.
    """

    next_stay: int = 1
    timelines: dict[TimelineId, TimelineMemory] = field(default_factory=dict)
    samples: dict[GlobalId, LastSample] = field(default_factory=dict)
    tracks: dict[TrackKey, TrackMemory] = field(default_factory=dict)

    def forget(self, presence_gap_us: int) -> None:
        """Forget who cannot go on: what is older than the gap, in its timeline."""
        timelines = self.timelines
        self.samples = {
            global_id: sample
            for global_id, sample in self.samples.items()
            if (now := timelines[sample.timeline_id]).pass_number == sample.pass_number
            and now.last_us - sample.time_us <= presence_gap_us
        }
        newest_us: dict[SessionId, int] = {}
        for key, track in self.tracks.items():
            last_us = newest_us.get(key.session_id, track.last_us)
            newest_us[key.session_id] = max(last_us, track.last_us)
        keep_us = max(_FORGET_TRACKS_US, presence_gap_us)
        self.tracks = {
            key: track
            for key, track in self.tracks.items()
            if newest_us[key.session_id] - track.last_us <= keep_us
        }
        for timeline_id in list(timelines)[:-_MOST_TIMELINES]:
            del timelines[timeline_id]

    def to_bytes(self) -> bytes:
        """Return the memory as it is stored."""
        document = {
            "version": _VERSION,
            "next_stay": self.next_stay,
            "timelines": {
                name: [one.pass_number, one.last_us, one.sought]
                for name, one in self.timelines.items()
            },
            "samples": [_sample_document(one) for one in self.samples.values()],
            # Beside the samples, as versions before 0003 know no such member of them.
            "appearances": [
                [one.global_id, camera_id, *times_us]
                for one in self.samples.values()
                for camera_id, times_us in one.appearances.items()
            ],
            "tracks": [
                [*one.key, one.global_id, one.last_us, one.provisional]
                for one in self.tracks.values()
            ],
        }
        return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)

    @classmethod
    def from_bytes(cls, stored: bytes | None) -> "Memory":
        """Return the memory that was stored; an empty one for None."""
        if stored is None:
            return cls()
        document = json.loads(zlib.decompress(stored))
        appearances: dict[int, dict[CameraId, tuple[int, int]]] = {}
        for global_id, camera_id, first_us, last_us in document.get("appearances", ()):
            times_us = appearances.setdefault(global_id, {})
            times_us[CameraId(camera_id)] = first_us, last_us
        return cls(
            next_stay=document["next_stay"],
            timelines={
                TimelineId(name): TimelineMemory(*values)
                for name, values in document["timelines"].items()
            },
            samples={
                one["global_id"]: _sample_from_document(
                    one, appearances.get(one["global_id"], {})
                )
                for one in document["samples"]
            },
            tracks={
                track.key: track
                for track in (
                    TrackMemory(_track_key(values[:3]), *values[3:])
                    for values in document["tracks"]
                )
            },
        )


def _sample_document(sample: LastSample) -> dict[str, Any]:
    names = (name for name in LastSample.__slots__ if name != "appearances")
    document = {name: getattr(sample, name) for name in names}
    document["visits"] = list(sample.visits.items())
    return document


def _sample_from_document(
    document: dict[str, Any], appearances: dict[CameraId, tuple[int, int]]
) -> LastSample:
    sole = document["sole_track"]
    document["sole_track"] = None if sole is None else _track_key(sole)
    document["visits"] = dict(document["visits"])
    return LastSample(**document, appearances=appearances)


def _track_key(values: list[Any]) -> TrackKey:
    return TrackKey(*values)
