"""Scores of pairs whose truth does not rest on appearance."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.common.ids import CameraId
from services.reid.domain.live_set import LiveSet
from services.reid.domain.tracklet import Tracklet
from services.reid.domain.values import Tick, TrackKey, Vector

_S_NS = 1_000_000_000
_LEAST_GAP_NS = _S_NS
"""Crops of one track nearer in time are almost copies of each other."""

_SURE_NATS = 6.0
"""Floor evidence that makes two tracks one person, or two: that of a merge."""


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


def scored_pairs(live: LiveSet, tick: Tick) -> list[ScoredPair]:
    """Return the scores that the new vectors of a tick give, before it is applied.

    Args:
        live: State before the tick.
        tick: With the vectors that were asked for.
    """
    fresh = [
        (sighting.key, sighting.vector, camera.captured_ns)
        for camera in tick.cameras
        for sighting in camera.sightings
        if sighting.vector is not None and not sighting.coasted
    ]
    known = [track for track in live.tracks.values() if track.prototypes]
    if not fresh or not known or tick.session_id != live.session_id:
        return []
    at_once = {
        camera.camera_id: {one.key for one in camera.sightings if not one.coasted}
        for camera in tick.cameras
    }
    return list(_scored(live, fresh, known, at_once))


def _scored(
    live: LiveSet,
    fresh: Iterable[tuple[TrackKey, Vector, int]],
    known: list[Tracklet],
    at_once: dict[CameraId, set[TrackKey]],
) -> Iterator[ScoredPair]:
    bank = np.stack([one.vector for track in known for one in track.prototypes])
    sizes = [len(track.prototypes) for track in known]
    starts = np.cumsum([0, *sizes[:-1]])
    row = {key: index for index, key in enumerate(live.pairs.keys)}
    for fresh_key, vector, captured_ns in fresh:
        scores = _nearest(bank, starts, vector)
        for track, score in zip(known, scores.tolist(), strict=True):
            kind = _kind(live, fresh_key, track, captured_ns, at_once, row)
            if kind is not None:
                left, right = (
                    f"{live.session_id}/{key.camera_id}/{key.track_id}"
                    for key in (fresh_key, track.key)
                )
                yield ScoredPair(kind, score, left, right, captured_ns)


def _nearest(
    bank: NDArray[np.float32], starts: NDArray[np.intp], vector: Vector
) -> NDArray[np.float32]:
    """Return the greatest cosine of each track's prototypes."""
    nearest: NDArray[np.float32] = np.maximum.reduceat(bank @ vector, starts)
    return np.clip(nearest, np.float32(-1.0), np.float32(1.0))


def _kind(
    live: LiveSet,
    key: TrackKey,
    track: Tracklet,
    captured_ns: int,
    at_once: dict[CameraId, set[TrackKey]],
    row: dict[TrackKey, int],
) -> PairKind | None:
    """Return how it is known who the two are; None where it is not."""
    if key == track.key:
        newest_ns = max(one.captured_ns for one in track.prototypes)
        apart = captured_ns - newest_ns >= _LEAST_GAP_NS
        return PairKind.WITHIN_TRACK if apart else None
    if key.camera_id == track.key.camera_id:
        together = track.key in at_once[key.camera_id] or key in track.conflicts
        return PairKind.AT_ONCE if together else None
    if key not in row or track.key not in row:
        return None
    nats = live.pairs.nats[row[key], row[track.key]]
    if nats >= _SURE_NATS:
        return PairKind.ACROSS_CAMERAS
    return PairKind.APART_ON_FLOOR if nats <= -_SURE_NATS else None
