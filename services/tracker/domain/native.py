"""The native tracker: motion, overlap and appearance, all tracks at once.

It follows ByteTrack (Zhang et al. 2022) in how detections are used, and BoT-SORT
(Aharon et al. 2022) in that appearance only decides among what motion allows. Unlike
both it counts time in seconds, not frames, and asks for appearance only where that
could change the outcome.
"""

from dataclasses import dataclass, replace

import numpy as np

from services.tracker.domain import kalman, native_state
from services.tracker.domain.appearance import Looks, Vectors, blend, cosine_distance
from services.tracker.domain.arrays import BoolArray, FloatArray, IntArray
from services.tracker.domain.association import UNMATCHED
from services.tracker.domain.boxes import (
    centre_size_from_corners,
    corners_from_centre_size,
)
from services.tracker.domain.familiarity import doubted, fisher, gone_over
from services.tracker.domain.foot import coasted_foot_points
from services.tracker.domain.frame import (
    Detections,
    FrameTracks,
)
from services.tracker.domain.native_outlook import (
    PROVEN_VECTORS,
    Outlook,
    look_ahead,
)
from services.tracker.domain.native_state import NativeState
from services.tracker.domain.track_report import Followed, report
from services.tracker.domain.track_table import TrackTable, new_tracks
from services.tracker.domain.tracker import TrackerSettings

NATIVE = "native"


class NativeTracker:
    """Implements Tracker."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._state = replace(native_state.EMPTY, next_id=settings.first_track_id)

    def propose(self, detections: Detections) -> "NativeProposal":
        """Return how to take a frame. The tracks change when that is settled."""
        outlook = look_ahead(self._state, detections, self._settings)
        return NativeProposal(self, outlook, outlook.wanted())

    def settle(self, outlook: Outlook, vectors: Vectors) -> FrameTracks:
        """Take the step that `propose` looked ahead to."""
        match = outlook.match
        if len(vectors.detection_indices):
            match = outlook.match_by_appearance(vectors)
        self._state, tracks = _step(self._state, outlook, match, vectors)
        return tracks

    def dump(self) -> bytes:
        """Return everything that the next frames depend on."""
        return native_state.pack(self._state)

    def load(self, state: bytes) -> None:
        """Continue from what `dump` returned."""
        self._state = native_state.unpack(state)


@dataclass(frozen=True, slots=True, eq=False)
class NativeProposal:
    """Implements Proposal."""

    tracker: NativeTracker
    outlook: Outlook
    wanted: IntArray

    def settle(self, vectors: Vectors) -> FrameTracks:
        """Take the step and return the tracks of the frame."""
        return self.tracker.settle(self.outlook, vectors)


def _step(
    before: NativeState, outlook: Outlook, match: IntArray, vectors: Vectors
) -> tuple[NativeState, FrameTracks]:
    """Return the state after a frame, and its tracks."""
    predicted = outlook.tracks
    lived_on = match != UNMATCHED
    if not lived_on.all():
        lived_on |= _coasting(predicted, outlook.frame_size_px)
    kept = _supported(predicted, outlook, match)
    if not lived_on.all():
        kept, match = kept.take(lived_on), match[lived_on]
    looks = outlook.looks
    if len(vectors.detection_indices):
        kept, looks = _with_appearance(kept, match, outlook, vectors)

    ended, next_id = outlook.expired_track_ids, before.next_id
    parted = gone_over(kept.doubts)
    if parted.any():
        ended = np.concatenate((ended, kept.track_ids[parted]))
        match = np.concatenate((match[~parted], match[parted]))
        kept = _renamed(kept, parted, next_id)
        next_id += int(parted.sum())
    births = _births(outlook, match)
    tracks = kept
    if len(births):
        tracks = kept.append(_born(births, next_id, outlook, kept))
    after = NativeState(
        tracks,
        next_id=next_id + len(births),
        time_ns=outlook.detections.time_ns,
        model_id=vectors.model_id or outlook.model_id,
        looks=looks,
    )
    if not lived_on.all():
        ended = np.concatenate((ended, predicted.track_ids[~lived_on]))
    if len(births):
        match = np.concatenate((match, births))
    return after, _told(tracks, match, outlook, np.sort(ended))


def _births(outlook: Outlook, match: IntArray) -> IntArray:
    """Return the strong detections that no track took."""
    unused = outlook.strong.copy()
    unused[match[match != UNMATCHED]] = False
    return unused.nonzero()[0]


def _born(
    births: IntArray, first_id: int, outlook: Outlook, kept: TrackTable
) -> TrackTable:
    """Return the tracks that begin with some detections, beside those that are kept."""
    return new_tracks(
        np.arange(first_id, first_id + len(births)),
        centre_size_from_corners(outlook.detections.boxes_px[births]),
        outlook.detections.time_ns,
        kept.vectors.shape[1],
    )


def _renamed(tracks: TrackTable, parted: BoolArray, first_id: int) -> TrackTable:
    """Return tracks of which some begin anew as somebody else, at the end.

    They go on moving as they did and stay believed, but forget how they looked.
    """
    staying, going = tracks.take(~parted), tracks.take(parted)
    count = len(going)
    return staying.append(
        replace(
            going,
            track_ids=np.arange(first_id, first_id + count),
            age_frames=np.ones(count, np.int64),
            vectors=np.zeros_like(going.vectors),
            vector_counts=np.zeros(count, np.int64),
            vector_ns=np.zeros(count, np.int64),
            doubts=np.zeros(count),
        )
    )


def _coasting(tracks: TrackTable, frame_size_px: tuple[int, int]) -> BoolArray:
    """Return which tracks may go on unseen: believed and still in the frame."""
    centres = tracks.motion[:, kalman.MEAN, :2]
    inside = ((centres >= 0) & (centres <= frame_size_px)).all(axis=1)
    return tracks.confirmed & inside


def _supported(tracks: TrackTable, outlook: Outlook, match: IntArray) -> TrackTable:
    """Return predicted tracks after those that have a detection took it."""
    rows = (match != UNMATCHED).nonzero()[0]
    boxes_px = outlook.detections.boxes_px[match[rows]]
    motion, hits = tracks.motion.copy(), tracks.hits.copy()
    seen_ns = tracks.seen_ns.copy()
    motion[rows] = kalman.correct(motion[rows], centre_size_from_corners(boxes_px))
    hits[rows] += 1
    seen_ns[rows] = outlook.detections.time_ns
    return TrackTable(
        tracks.track_ids,
        motion,
        hits,
        tracks.age_frames + 1,
        seen_ns,
        tracks.vectors,
        tracks.vector_counts,
        tracks.vector_ns,
        tracks.doubts,
    )


def _with_appearance(
    tracks: TrackTable, match: IntArray, outlook: Outlook, vectors: Vectors
) -> tuple[TrackTable, Looks]:
    """Return tracks that remember their looks in this frame, and what was learned.

    A crop that shows somebody else too is not remembered, nor is one that does not
    look like its track: that counts against the track instead.
    """
    source = np.full(len(outlook.detections) + 1, UNMATCHED)
    source[vectors.detection_indices] = np.arange(len(vectors.detection_indices))
    source[:-1][~outlook.clean_crops] = UNMATCHED
    rows = (source[match] != UNMATCHED).nonzero()[0]
    fresh = vectors.values[source[match[rows]]]
    known = tracks.vectors
    if known.shape[1] != vectors.values.shape[1]:
        known = np.zeros((len(tracks), vectors.values.shape[1]), np.float16)
    looks = outlook.looks
    transformed = fisher(1.0 - cosine_distance(known, fresh))
    own = transformed[rows, np.arange(len(rows))]
    nats = looks.familiarity.evidence(own)
    doubts = tracks.doubts.copy()
    proven = tracks.vector_counts[rows] >= PROVEN_VECTORS
    doubts[rows[proven]] = doubted(doubts[rows[proven]], nats[proven])
    fits = ~(proven & (nats < 0.0))

    average, counts = known.copy(), tracks.vector_counts.copy()
    vector_ns = tracks.vector_ns.copy()
    vector_ns[rows] = outlook.detections.time_ns
    again = counts[rows] > 0
    looks = looks.learned(
        known[rows[again]], fresh[again], _of_others(transformed, rows, match)
    )
    average[rows[fits]] = blend(known[rows[fits]], counts[rows[fits]], fresh[fits])
    counts[rows[fits]] += 1
    remembering = replace(
        tracks,
        vectors=average,
        vector_counts=counts,
        vector_ns=vector_ns,
        doubts=doubts,
    )
    return remembering, looks


def _of_others(transformed: FloatArray, rows: IntArray, match: IntArray) -> FloatArray:
    """Return the known values between a picture and a track seen beside it."""
    other = np.repeat((match != UNMATCHED)[:, None], len(rows), axis=1)
    other[rows, np.arange(len(rows))] = False
    values: FloatArray = transformed[other]
    return values[np.isfinite(values)]


def _told(
    tracks: TrackTable, match: IntArray, outlook: Outlook, ended_ids: IntArray
) -> FrameTracks:
    """Return what is told about the tracks of a frame.

    Args:
        tracks: All tracks after the frame, N.
        match: Their detections. Shape (N,).
        outlook: The frame.
        ended_ids: Tracks that are not among them any more.
    """
    followed = Followed(
        track_ids=tracks.track_ids,
        match=match,
        boxes_px=corners_from_centre_size(tracks.motion[:, kalman.MEAN]),
        confirmed=tracks.confirmed,
        age_frames=tracks.age_frames,
        ended_track_ids=ended_ids,
    )
    coasted = (match == UNMATCHED).nonzero()[0]
    feet = coasted_foot_points(tracks.motion[coasted]) if len(coasted) else None
    return report(followed, outlook.detections, outlook.frame_size_px, feet)
