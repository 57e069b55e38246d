"""People walking in front of a camera, as detections."""

from dataclasses import dataclass

import numpy as np

from services.common.ids import ModelId
from services.tracker.domain.appearance import Vectors
from services.tracker.domain.arrays import FloatArray, IntArray
from services.tracker.domain.frame import Detections, FrameTracks
from services.tracker.domain.tracker import Tracker, TrackerSettings

START_NS = 1_700_000_000_000_000_000
SIZE_PX = (1920, 1080)
MODEL = ModelId("test-model")


def settings(*, embeddings_available: bool = False) -> TrackerSettings:
    """Return the settings of a full HD camera."""
    return TrackerSettings(SIZE_PX, 0.6, 0.1, 1.0, embeddings_available)


def box(x_px: float, foot_px: float, height_px: float = 200.0) -> list[float]:
    """Return the corners of a person who stands at a point."""
    half = 0.2 * height_px
    return [x_px - half, foot_px - height_px, x_px + half, foot_px]


def frame(
    time_s: float, *boxes_px: list[float], scores: list[float] | None = None
) -> Detections:
    """Return detections of a frame, `time_s` after the start."""
    count = len(boxes_px)
    return Detections(
        time_ns=START_NS + round(time_s * 1e9),
        boxes_px=np.array(boxes_px, np.float64).reshape(-1, 4),
        scores=np.array(scores if scores is not None else [0.9] * count, np.float64),
        ankles_px=np.zeros((count, 2, 3)),
    )


def take(
    tracker: Tracker, detections: Detections, looks: FloatArray | None = None
) -> FrameTracks:
    """Let a tracker take a frame, telling it how detections look when it asks."""
    proposal = tracker.propose(detections)
    if looks is None:
        return proposal.settle(vectors(np.empty(0, np.int64), np.empty((0, 4))))
    return proposal.settle(vectors(proposal.wanted, looks[proposal.wanted]))


def vectors(
    indices: IntArray, values: FloatArray, model_id: ModelId = MODEL
) -> Vectors:
    """Return unit vectors of some detections."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    model = model_id if len(indices) else ModelId("")
    return Vectors(indices, (values / length).astype(np.float32), model)


def id_of(tracks: FrameTracks, detection_index: int) -> int:
    """Return the track that a detection belongs to."""
    (row,) = np.flatnonzero(tracks.detection_indices == detection_index)
    return int(tracks.track_ids[row])


@dataclass(frozen=True, slots=True)
class Crowd:
    """People who walk at random, with missed and weak detections."""

    seed: int
    people: int
    frames: int
    rate_hz: float = 10.0

    def detections(self) -> list[Detections]:
        """Return the frames."""
        random = np.random.default_rng(self.seed)
        place = random.uniform((100, 300), (1800, 1000), (self.people, 2))
        speed = random.normal(0, 80, (self.people, 2))
        result = []
        for index in range(self.frames):
            place = place + speed / self.rate_hz
            outside = (place < (100, 300)) | (place > (1800, 1000))
            speed = np.where(outside, -speed, speed)
            seen = random.random(self.people) > 0.1
            boxes_px = [box(x, y) for x, y in place[seen] + random.normal(0, 2)]
            scores = random.uniform(0.4, 1.0, len(boxes_px)).tolist()
            result.append(frame(index / self.rate_hz, *boxes_px, scores=scores))
        return result
