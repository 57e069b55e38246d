"""Recorded detections with their truth, and what a tracker makes of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.common.ids import ModelId
from services.tracker.domain.appearance import NO_VECTORS, Vectors
from services.tracker.domain.frame import Detections, TrackState
from services.tracker.domain.tracker import Tracker, TrackerSettings
from tests.accuracy.track_scores import ScoredFrame, Scores, score, without_ignored

COAST_S = 1.0
_MODEL = ModelId("given")


@dataclass(frozen=True, slots=True, eq=False)
class TruthFrame:
    """One frame.

    Attributes:
        detections: What a detector found, M.
        looks: Unit vectors of them, None where there are none. Shape (M, D).
        people: Who was there. Shape (G,).
        people_px: Corners. Shape (G, 4).
    """

    detections: Detections
    looks: NDArray[np.float32] | None
    people: NDArray[np.int64]
    people_px: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TruthScene:
    """One camera.

    Attributes:
        frame_size_px: Width and height.
        high_score: Score from which the detector is sure.
        low_score: Score below which it is noise.
        frames: All frames, in order.
        least_height_px: Height below which people do not count.
    """

    frame_size_px: tuple[int, int]
    high_score: float
    low_score: float
    frames: Sequence[TruthFrame]
    least_height_px: float = 0.0

    def settings(self) -> TrackerSettings:
        """Return what a tracker must know."""
        return TrackerSettings(
            self.frame_size_px,
            self.high_score,
            self.low_score,
            COAST_S,
            embeddings_available=self.frames[0].looks is not None,
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """How a tracker did, and the median time of a frame."""

    scores: Scores
    median_ms: float


def follow(build: Callable[[TrackerSettings], Tracker], scene: TruthScene) -> Followed:
    """Let a new tracker follow a scene; only confirmed tracks with detections count."""
    tracker, frames, times_s = build(scene.settings()), [], []
    for each in scene.frames:
        begin_s = time.thread_time()
        proposal = tracker.propose(each.detections)
        vectors = NO_VECTORS
        if each.looks is not None and len(proposal.wanted):
            vectors = Vectors(proposal.wanted, each.looks[proposal.wanted], _MODEL)
        tracks = proposal.settle(vectors)
        times_s.append(time.thread_time() - begin_s)
        told = tracks.states == TrackState.CONFIRMED
        frame = ScoredFrame(
            each.people, each.people_px, tracks.track_ids[told], tracks.boxes_px[told]
        )
        heights_px = each.people_px[:, 3] - each.people_px[:, 1]
        frames.append(without_ignored(frame, heights_px < scene.least_height_px))
    return Followed(score(frames), 1e3 * statistics.median(times_s))
