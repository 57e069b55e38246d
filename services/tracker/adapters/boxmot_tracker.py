"""A tracker of BoxMOT as one of ours.

Time: the library's motion is told the capture times. What it counts in frames, how long
a track may be unseen, is set for every frame to the number of frames that fell into the
last `coast_s`; a track that is older than that is dropped before the frame, so that its
life does not depend on the frame rate.

Ids: the library numbers its tracks from 0; ours begin at `first_track_id`, in the order
in which it begins them, and are never given again.

States: confirmed once the library has reported a track; tentative while it only keeps
it; coasted while it is confirmed and no detection supports it. A tentative track that
is unseen is not told until it is seen again or ends.

Appearance: where it is available, the vectors of all detections that the library would
compare are asked for. One that does not come is replaced by a look that resembles
nobody's, so that motion alone decides about that detection.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from services.common.errors import InvalidInput, NotReady
from services.common.ids import ModelId
from services.tracker.adapters.boxmot_kinds import BoxmotKind
from services.tracker.adapters.boxmot_library import BoxmotLibrary, Row
from services.tracker.adapters.object_graph import pack_objects, unpack_objects
from services.tracker.domain.appearance import (
    MOST_DIMENSIONS,
    Vectors,
    require_comparable,
)
from services.tracker.domain.arrays import IntArray, VectorArray
from services.tracker.domain.association import UNMATCHED
from services.tracker.domain.foot import drifted_foot_points
from services.tracker.domain.frame import Detections, FrameTracks
from services.tracker.domain.track_report import Followed, report
from services.tracker.domain.tracker import TrackerSettings

_NS = 1_000_000_000
_NOBODY = np.empty(0, np.int64)
_UNKNOWN_DIMENSIONS = 64
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Life:
    """What is known of a track that the library holds.

    Attributes:
        track_id: Our number.
        first_frame: Count of frames at its first detection.
        seen_ns: Capture time of its last detection.
        confirmed: Whether the library ever reported it.
    """

    track_id: int
    first_frame: int
    seen_ns: int
    confirmed: bool


class BoxmotTracker:
    """Implements Tracker."""

    def __init__(self, kind: BoxmotKind, settings: TrackerSettings) -> None:
        """Build the tracker.

        Raises:
            NotReady: The package is not installed, or this tracker cannot do without
                the appearance that is not available.
        """
        if kind.needs_appearance and not settings.embeddings_available:
            raise NotReady("follows by appearance only, and there are no vectors here")
        self._kind = kind
        self._settings = settings
        self._begin(with_appearance=kind.appearance and settings.embeddings_available)
        self._next_id = settings.first_track_id

    def _begin(self, *, with_appearance: bool) -> None:
        """Begin with an empty library."""
        self._with_appearance = with_appearance
        self._library = BoxmotLibrary(
            self._kind, self._settings, with_appearance=with_appearance
        )
        self._lives: dict[int, _Life] = {}
        self._frames = 0
        self._times_ns: deque[int] = deque()
        self._model_id = ModelId("")
        self._dimensions = 0
        self._ended: list[int] = []

    def propose(self, detections: Detections) -> "BoxmotProposal":
        """Return how to take a frame. The tracks change when that is settled."""
        if not (self._with_appearance and self._settings.embeddings_available):
            return BoxmotProposal(self, detections, _NOBODY)
        weak = self._kind.looks_at_weak
        least = self._settings.low_score if weak else self._settings.high_score
        wanted = (detections.scores >= least).nonzero()[0]
        return BoxmotProposal(self, detections, wanted)

    def settle(self, detections: Detections, vectors: Vectors) -> FrameTracks:
        """Take the step."""
        if self._model_id:
            require_comparable(vectors, self._model_id, self._dimensions)
        try:
            return self._step(detections, vectors)
        except Exception:  # noqa: BLE001 - a library may raise anything.
            # Half a step cannot be taken back: the library's objects are as they are.
            _log.exception("the library failed", tracker=self._kind.class_name)
            self._restart()
            raise InvalidInput(
                "the tracker failed on this frame; its tracks ended", field="frame"
            ) from None

    def _restart(self) -> None:
        """End all tracks and begin anew; the next frame tells who ended."""
        self._end(set(self._lives))
        ended = self._ended
        self._begin(with_appearance=self._with_appearance)
        self._ended = ended

    def _step(self, detections: Detections, vectors: Vectors) -> FrameTracks:
        """Return the tracks of a frame."""
        values = None
        if self._with_appearance:
            values = self._looks(detections, vectors)
        now_ns = detections.time_ns
        self._expire(now_ns)
        reported = self._library.update(detections, values, len(self._times_ns))
        self._times_ns.append(now_ns)
        self._frames += 1
        rows = self._library.rows()
        self._live_on(rows, reported, now_ns)
        if not self._lives:
            self._model_id, self._dimensions = ModelId(""), 0
            self._library.forget_looks()
        tracks = self._told(rows, detections)
        self._ended = []
        return tracks

    def _expire(self, now_ns: int) -> None:
        """End tracks that were unseen for too long."""
        since_ns = now_ns - int(self._settings.coast_s * _NS)
        while self._times_ns and self._times_ns[0] < since_ns:
            self._times_ns.popleft()
        expired = {key for key, life in self._lives.items() if life.seen_ns < since_ns}
        if expired:
            self._library.drop(expired)
            self._end(expired)

    def _end(self, library_ids: set[int]) -> None:
        """Forget tracks, and remember to tell that they ended."""
        self._ended += [self._lives.pop(key).track_id for key in library_ids]

    def _live_on(self, rows: list[Row], reported: set[int], now_ns: int) -> None:
        """Bring the lives up to date with what the library holds."""
        self._end(set(self._lives) - {row.library_id for row in rows})
        for row in rows:
            life = self._lives.get(row.library_id)
            if life is None:
                life = _Life(self._next_id, self._frames, now_ns, confirmed=False)
                self._lives[row.library_id] = life
                self._next_id += 1
            if row.detection is not None:
                life.seen_ns = now_ns
            life.confirmed |= row.library_id in reported

    def _told(self, rows: list[Row], detections: Detections) -> FrameTracks:
        """Return what is told about the tracks."""
        pairs = [(row, self._lives[row.library_id]) for row in rows]
        pairs = [(row, life) for row, life in pairs if _is_told(row, life)]
        pairs.sort(key=lambda pair: pair[1].track_id)
        lives = [life for _, life in pairs]
        matches = [
            UNMATCHED if row.detection is None else row.detection for row, _ in pairs
        ]
        boxes_px = np.array([row.predicted_box_px for row, _ in pairs]).reshape(-1, 4)
        if not np.isfinite(boxes_px).all():
            raise ValueError("the library lost a track in infinity")
        first_frames = np.array([life.first_frame for life in lives], np.int64)
        followed = Followed(
            track_ids=np.array([life.track_id for life in lives], np.int64),
            match=np.array(matches, np.int64),
            boxes_px=boxes_px,
            confirmed=np.array([life.confirmed for life in lives], np.bool_),
            age_frames=self._frames + 1 - first_frames,
            ended_track_ids=np.array(sorted(self._ended), np.int64),
        )
        coasted = followed.match == UNMATCHED
        seen_ns = np.array([life.seen_ns for life in lives], np.int64)
        unseen_s = (detections.time_ns - seen_ns[coasted]) / _NS
        feet = drifted_foot_points(boxes_px[coasted], unseen_s)
        return report(followed, detections, self._settings.frame_size_px, feet)

    def _looks(self, detections: Detections, vectors: Vectors) -> VectorArray:
        """Return a unit vector for each detection. Shape (M, D)."""
        given = vectors.detection_indices
        if len(given):
            if self._dimensions not in (0, vectors.values.shape[1]):
                # Only looks that resemble nobody's were known so far.
                self._restart()
            self._model_id = vectors.model_id
            self._dimensions = vectors.values.shape[1]
        elif len(detections):
            self._dimensions = self._dimensions or _UNKNOWN_DIMENSIONS
        shape = len(detections), self._dimensions or 1
        random = np.random.default_rng(detections.time_ns)
        values = random.standard_normal(shape, np.float32)
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        if len(given):
            values[given] = vectors.values
        return values

    def dump(self) -> bytes:
        """Return everything that the next frames depend on."""
        lives = [
            (key, life.track_id, life.first_frame, life.seen_ns, life.confirmed)
            for key, life in self._lives.items()
        ]
        library = np.frombuffer(self._library.pack(), np.uint8)
        return pack_objects(
            {
                "version": self._library.version,
                "with_appearance": self._with_appearance,
                "library": library,
                "lives": lives,
                "next_id": self._next_id,
                "frames": self._frames,
                "times_ns": list(self._times_ns),
                "model_id": str(self._model_id),
                "dimensions": self._dimensions,
                "ended": self._ended,
            }
        )

    def load(self, state: bytes) -> None:
        """Continue from what `dump` returned."""
        held = unpack_objects(state)
        fresh = BoxmotTracker(self._kind, self._settings)
        try:
            fresh._restore(held)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            raise InvalidInput("holds tracks that cannot be") from None
        vars(self).update(vars(fresh))

    def _restore(self, held: dict[str, Any]) -> None:
        """Take over the values of `dump`."""
        if held["version"] != self._library.version:
            raise InvalidInput(
                f"is of boxmot {held['version']}; this replica has "
                f"{self._library.version}"
            )
        self._begin(with_appearance=held["with_appearance"] is True)
        self._library.unpack(held["library"].tobytes())
        for key, track_id, first_frame, seen_ns, confirmed in held["lives"]:
            self._lives[int(key)] = _Life(
                int(track_id), int(first_frame), int(seen_ns), bool(confirmed)
            )
        self._next_id, self._frames = int(held["next_id"]), int(held["frames"])
        self._times_ns = deque(map(int, held["times_ns"]))
        self._model_id = ModelId(str(held["model_id"]))
        self._dimensions = int(held["dimensions"])
        self._ended = list(map(int, held["ended"]))
        ids = [life.track_id for life in self._lives.values()]
        known = {row.library_id for row in self._library.rows()} == set(self._lives)
        given = all(1 <= number < self._next_id for number in ids)
        if not (known and given and len(set(ids)) == len(ids)):
            raise ValueError("its tracks and their ids do not agree")
        if not 0 <= self._dimensions <= MOST_DIMENSIONS:
            raise ValueError("no vector has that many dimensions")


@dataclass(frozen=True, slots=True, eq=False)
class BoxmotProposal:
    """Implements Proposal."""

    tracker: BoxmotTracker
    detections: Detections
    wanted: IntArray

    def settle(self, vectors: Vectors) -> FrameTracks:
        """Take the step and return the tracks of the frame."""
        return self.tracker.settle(self.detections, vectors)


def _is_told(row: Row, life: _Life) -> bool:
    """Return whether a track is told in this frame."""
    return life.confirmed or row.detection is not None
