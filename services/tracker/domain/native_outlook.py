"""What the native tracker expects of a frame before it commits to it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.common.ids import ModelId
from services.tracker.domain import kalman
from services.tracker.domain.appearance import (
    Looks,
    Vectors,
    contrast,
    cosine_distance,
    require_comparable,
)
from services.tracker.domain.arrays import BoolArray, FloatArray, IntArray
from services.tracker.domain.association import (
    MAX_COST,
    UNMATCHED,
    associate,
    contested,
)
from services.tracker.domain.boxes import (
    corners_from_centre_size,
    covered_share,
    overlap,
)
from services.tracker.domain.frame import Detections
from services.tracker.domain.native_state import NativeState
from services.tracker.domain.track_table import CONFIRMING_HITS, TrackTable
from services.tracker.domain.tracker import TrackerSettings

_NS = 1_000_000_000
_NOBODY = np.empty(0, np.int64)

_CLEAN_CROP = 0.3
"""Covered share up to which a crop shows one person."""
_TELLING_CROP = 0.5
"""Covered share up to which a crop is better than none."""
_RETURN_NS = int(0.3 * _NS)
"""Time unseen after which a track must look like itself to go on."""
_FIRST_VECTORS = 3
_FIRST_VECTORS_APART_NS = int(0.5 * _NS)
_CHECKS_APART_NS = int(1.0 * _NS)
"""Time after which a track is compared with itself again."""
PROVEN_VECTORS = 5
"""Vectors after which an average says what a track looks like."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """Tracks moved to the time of a frame, and what joins them to its detections.

    Attributes:
        detections: The frame, M detections.
        tracks: Predicted tracks, N of them.
        expired_track_ids: Tracks that were not seen for too long.
        recent: Tracks that the frame before supported. Shape (N,).
        strong: Detections that may begin a track. Shape (M,).
        weak: Detections that may only continue one. Shape (M,).
        cost: Disagreement of tracks and detections. Shape (N, M).
        model_id: Model of the tracks' vectors; empty while there are none.
        looks: What was learned about that model's vectors.
        settings: What the tracker knows about its camera.
    """

    detections: Detections
    tracks: TrackTable
    expired_track_ids: IntArray
    recent: BoolArray
    strong: BoolArray
    weak: BoolArray
    cost: FloatArray
    model_id: ModelId
    looks: Looks
    settings: TrackerSettings

    @property
    def frame_size_px(self) -> tuple[int, int]:
        """Width and height of the frame."""
        return self.settings.frame_size_px

    @cached_property
    def match(self) -> IntArray:
        """Detection of each track by motion alone. Shape (N,)."""
        return self._associate(self.cost)

    @cached_property
    def covered(self) -> FloatArray:
        """How much of each detection nearer ones cover. Shape (M,)."""
        boxes_px = self.detections.boxes_px
        return covered_share(boxes_px, boxes_px)

    @property
    def clean_crops(self) -> BoolArray:
        """Which detections show one person only. Shape (M,)."""
        return self.covered < _CLEAN_CROP

    def wanted(self) -> IntArray:
        """Return the detections whose appearance would help, ascending.

        Those that decide an ambiguity, and those from which a track that is believed
        since recently learns what it looks like.
        """
        if not (self.settings.embeddings_available and len(self.tracks)):
            return _NOBODY
        ambiguous = self._ambiguous()
        instructive = self._instructive()
        if not (ambiguous.any() or instructive.any()):
            return _NOBODY
        ambiguous &= self.covered < _TELLING_CROP
        return (ambiguous | (instructive & self.clean_crops)).nonzero()[0]

    def _ambiguous(self) -> BoolArray:
        """Return detections that a track with known looks could win or lose."""
        known = self.tracks.vector_counts > 0
        if not known.any():
            return np.zeros(len(self.detections), dtype=bool)
        disputed = contested(self.cost, self.match, self.strong)
        away = (self.match != UNMATCHED) & self._returning() & known
        disputed[self.match[away]] |= self.strong[self.match[away]]
        comparable = (self.cost[known] < MAX_COST).any(axis=0)
        return disputed & comparable

    def _instructive(self) -> BoolArray:
        """Return detections of tracks that need their first vectors, or a check."""
        tracks = self.tracks
        waited_ns = self.detections.time_ns - tracks.vector_ns
        young = (tracks.vector_counts < _FIRST_VECTORS) | (tracks.doubts > 0.0)
        pause_ns = np.where(young, _FIRST_VECTORS_APART_NS, _CHECKS_APART_NS)
        due = (tracks.vector_counts == 0) | (waited_ns >= pause_ns)
        learning = (
            (self.match != UNMATCHED) & (tracks.hits + 1 >= CONFIRMING_HITS) & due
        )
        result = np.zeros(len(self.detections), dtype=bool)
        result[self.match[learning]] = True
        return result & self.strong

    def _returning(self) -> BoolArray:
        """Return the tracks that were unseen for a while. Shape (N,)."""
        return self.detections.time_ns - self.tracks.seen_ns > _RETURN_NS

    def match_by_appearance(self, vectors: Vectors) -> IntArray:
        """Return the detection of each track when some detections were looked at.

        Raises:
            InvalidInput: The vectors cannot be compared with the tracks'.
        """
        if not self.model_id:
            return self.match
        require_comparable(vectors, self.model_id, self.tracks.vectors.shape[1])
        looked_at = vectors.detection_indices
        distance = cosine_distance(self.tracks.vectors, vectors.values)
        cost = self.cost.copy()
        possible = cost[:, looked_at] < MAX_COST
        contrasts = contrast(distance, possible)
        cost[:, looked_at] += self.looks.likeness.penalty(contrasts)
        strangers = self._returning()[:, None] & self.looks.likeness.strangers(distance)
        cost[:, looked_at] += np.where(strangers, np.inf, 0.0)
        return self._associate(cost)

    def _associate(self, cost: FloatArray) -> IntArray:
        """Return the detection of each track for given costs."""
        return associate(
            cost,
            established=self.tracks.confirmed,
            recent=self.recent,
            strong=self.strong,
            weak=self.weak,
        )


def look_ahead(
    before: NativeState, detections: Detections, settings: TrackerSettings
) -> Outlook:
    """Return what to expect of a frame."""
    unseen_ns = detections.time_ns - before.tracks.seen_ns
    expired = unseen_ns > settings.coast_s * _NS
    tracks = before.tracks
    if expired.any():
        tracks = tracks.take(~expired)
    # Without vectors left, the next ones may come from any model.
    model_id = before.model_id if tracks.vector_counts.any() else ModelId("")
    elapsed_s = (detections.time_ns - before.time_ns) / _NS if len(tracks) else 0.0
    tracks = tracks.moved(kalman.predict(tracks.motion, elapsed_s))
    strong = detections.scores >= settings.high_score
    return Outlook(
        detections=detections,
        tracks=tracks,
        expired_track_ids=before.tracks.track_ids[expired],
        recent=tracks.seen_ns == before.time_ns,
        strong=strong,
        weak=(detections.scores >= settings.low_score) & ~strong,
        cost=_cost(tracks, detections),
        model_id=model_id,
        looks=before.looks if model_id else Looks(),
        settings=settings,
    )


def _cost(tracks: TrackTable, detections: Detections) -> FloatArray:
    """Return the disagreement of predicted boxes and detections, in [0, 1].

    Boxes count as wider by the uncertainty of the prediction, so that a fast walker
    at a low frame rate, or a track that coasted, still meets its detection.
    """
    boxes_px = corners_from_centre_size(tracks.motion[:, kalman.MEAN])
    margin_px = np.sqrt(tracks.motion[:, kalman.VARIANCE, 0])
    return 1.0 - overlap(boxes_px, detections.boxes_px, margin_px)
