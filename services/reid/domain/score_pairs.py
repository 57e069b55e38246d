"""Scores of pairs whose truth does not rest on appearance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np

from services.common.ids import CameraId
from services.reid.domain.live_set import LiveSet
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import Tick, TrackKey, Vector

_S_NS = 1_000_000_000
_LEAST_GAP_NS = _S_NS
"""Crops of one track nearer in time are almost copies of each other."""

_VECTORS_PER_TICK, _NEAR_TRACKS, _OTHER_TRACKS = 4, 4, 8
"""What one tick compares at most; bounds its cost."""

Item = TypeVar("Item")


class PairKind(StrEnum):
    """How it is known whether two crops show one person."""

    WITHIN_TRACK = "within_track"
    ACROSS_CAMERAS = "across_cameras"
    AT_ONCE = "at_once"
    APART_ON_FLOOR = "apart_on_floor"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"

    @property
    def same(self) -> bool:
        """Whether the two are one person."""
        return self in (
            PairKind.WITHIN_TRACK,
            PairKind.ACROSS_CAMERAS,
            PairKind.CONFIRMED,
        )


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """The score of a new crop of one track against a track, itself or another.

    Attributes:
        kind: How the truth is known.
        score: Cosine of the crop and the nearest prototype of the other track.
        left: Track of the crop: session, camera and track, unique in an environment.
        right: The other track, or a person.
        captured_ns: When the crop was taken, nanoseconds since 1970 UTC.
    """

    kind: PairKind
    score: float
    left: str
    right: str
    captured_ns: int


def scored_pairs(live: LiveSet, tick: Tick, sure_nats: float) -> list[ScoredPair]:
    """Return scores that the new vectors of a tick give, before it is applied.

    A few of the vectors and a few of the tracks are compared, others in each tick, so
    that a crowd costs no more than a few people do.

    Args:
        live: State before the tick.
        tick: With the vectors that were asked for.
        sure_nats: Floor evidence that makes two tracks one person, or two.
    """
    if tick.session_id != live.session_id:
        return []
    fresh = [
        (sighting.key, sighting.vector, camera.captured_ns)
        for camera in tick.cameras
        for sighting in camera.sightings
        if sighting.vector is not None and not sighting.coasted
    ]
    at_once = {
        camera.camera_id: {one.key for one in camera.sightings if not one.coasted}
        for camera in tick.cameras
    }
    row = {key: index for index, key in enumerate(live.pairs.keys)}
    known = [track for track in live.tracks.values() if track.prototypes]
    found = []
    for key, vector, captured_ns in _some(fresh, _VECTORS_PER_TICK, tick.frame_set):
        near = _near(live, key, row, sure_nats)
        others = _compared(live, key, known, near, tick.frame_set)
        for track, score in zip(others, _nearest(others, vector), strict=True):
            kind = _kind(key, track, captured_ns, at_once)
            if kind is None:
                kind = _kind_by_floor(live, key, track.key, row, sure_nats)
            if kind is not None:
                left, right = _name(live, key), _name(live, track.key)
                found.append(ScoredPair(kind, score, left, right, captured_ns))
    return found


def _some(every: Sequence[Item], most: int, turn: int) -> Sequence[Item]:
    """Return at most so many items, evenly spread, others at each turn."""
    step = -(-len(every) // most)
    return every[turn % step :: step] if step > 1 else every


def _compared(
    live: LiveSet,
    key: TrackKey,
    known: Sequence[Tracklet],
    near: Sequence[Tracklet],
    turn: int,
) -> list[Tracklet]:
    """Return tracks to compare with: itself, those in the same place, some others."""
    itself = [live.tracks[key]] if key in live.tracks else []
    chosen = dict.fromkeys(one.key for one in (*itself, *near))
    rest = [track for track in known if track.key not in chosen]
    tracks = [*itself, *near, *_some(rest, _OTHER_TRACKS, turn)]
    return [track for track in tracks if track.prototypes]


def _near(
    live: LiveSet, key: TrackKey, row: Mapping[TrackKey, int], sure_nats: float
) -> list[Tracklet]:
    """Return a few tracks that stand in the same place."""
    if key not in row:
        return []
    close = np.flatnonzero(live.pairs.nats[row[key]] >= sure_nats)
    keys = (live.pairs.keys[index] for index in close[:_NEAR_TRACKS])
    return [live.tracks[one] for one in keys if one in live.tracks]


def _nearest(tracks: Sequence[Tracklet], vector: Vector) -> list[float]:
    """Return the greatest cosine of a vector and each track's prototypes."""
    return [
        min(1.0, max(float(one.vector @ vector) for one in track.prototypes))
        for track in tracks
    ]


def _name(live: LiveSet, key: TrackKey) -> str:
    return f"{live.session_id}/{key.camera_id}/{key.track_id}"


def _kind(
    key: TrackKey,
    track: Tracklet,
    captured_ns: int,
    at_once: Mapping[CameraId, set[TrackKey]],
) -> PairKind | None:
    """Return what one camera knows about the two; None where it knows nothing."""
    if key == track.key:
        newest_ns = max(one.captured_ns for one in track.prototypes)
        apart = captured_ns - newest_ns >= _LEAST_GAP_NS
        return PairKind.WITHIN_TRACK if apart else None
    if key.camera_id == track.key.camera_id:
        together = track.key in at_once[key.camera_id] or key in track.conflicts
        return PairKind.AT_ONCE if together else None
    return None


def _kind_by_floor(
    live: LiveSet,
    one: TrackKey,
    two: TrackKey,
    row: Mapping[TrackKey, int],
    sure_nats: float,
) -> PairKind | None:
    """Return what the floor says about tracks of two cameras; None for nothing sure."""
    if one.camera_id == two.camera_id or one not in row or two not in row:
        return None
    nats = live.pairs.nats[row[one], row[two]]
    if nats >= sure_nats:
        return PairKind.ACROSS_CAMERAS
    return PairKind.APART_ON_FLOOR if nats <= -sure_nats else None
