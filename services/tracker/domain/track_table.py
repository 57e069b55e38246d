"""The tracks of one stream, as columns."""

from dataclasses import dataclass, fields

import numpy as np

from services.tracker.domain import kalman
from services.tracker.domain.arrays import (
    BoolArray,
    FloatArray,
    HalfArray,
    IntArray,
)

CONFIRMING_HITS = 3
"""Detections after which a track is believed."""


@dataclass(frozen=True, slots=True, eq=False)
class TrackTable:
    """All living tracks, by ascending id. Never changed, only replaced.

    Attributes:
        track_ids: Shape (N,).
        motion: States of the Kalman filter. Shape (N, 5, 4).
        hits: Detections that supported the track. Shape (N,).
        age_frames: Frames since the first detection, inclusive. Shape (N,).
        seen_ns: Capture time of the last detection. Shape (N,).
        vectors: Average appearance, zeros for none. Shape (N, D).
        vector_counts: Vectors in the average. Shape (N,).
        vector_ns: Capture time of the last vector. Shape (N,).
        doubts: What speaks for its showing another person by now, nats. Shape (N,).
    """

    track_ids: IntArray
    motion: FloatArray
    hits: IntArray
    age_frames: IntArray
    seen_ns: IntArray
    vectors: HalfArray
    vector_counts: IntArray
    vector_ns: IntArray
    doubts: FloatArray

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def confirmed(self) -> BoolArray:
        """Which tracks are believed. Shape (N,)."""
        return self.hits >= CONFIRMING_HITS

    def moved(self, motion: FloatArray) -> "TrackTable":
        """Return the table with other states of the filter."""
        return TrackTable(
            self.track_ids,
            motion,
            self.hits,
            self.age_frames,
            self.seen_ns,
            self.vectors,
            self.vector_counts,
            self.vector_ns,
            self.doubts,
        )

    def take(self, rows: IntArray | BoolArray) -> "TrackTable":
        """Return the table with some of the rows."""
        return TrackTable(*(getattr(self, name)[rows] for name in _COLUMNS))

    def append(self, other: "TrackTable") -> "TrackTable":
        """Return the table with the rows of another one below."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in _COLUMNS)
        return TrackTable(*(np.concatenate(pair) for pair in pairs))


_COLUMNS = tuple(field.name for field in fields(TrackTable))


def new_tracks(
    track_ids: IntArray, centre_size_px: FloatArray, time_ns: int, dimensions: int
) -> TrackTable:
    """Return tracks that begin with one detection each.

    Args:
        track_ids: Shape (N,).
        centre_size_px: Their first boxes. Shape (N, 4).
        time_ns: Capture time of the frame.
        dimensions: Length of appearance vectors; 0 while none is known.
    """
    count = len(track_ids)
    ones = np.ones(count, np.int64)
    return TrackTable(
        track_ids=track_ids,
        motion=kalman.begin(centre_size_px),
        hits=ones,
        age_frames=ones,
        seen_ns=ones * time_ns,
        vectors=np.zeros((count, dimensions), np.float16),
        vector_counts=0 * ones,
        vector_ns=0 * ones,
        doubts=np.zeros(count),
    )
