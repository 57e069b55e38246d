"""What goes into the tracker for a frame and what comes out.

Everything is a column: one array for all detections, one for all tracks.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from services.common.errors import InvalidInput
from services.tracker.domain.arrays import BoolArray, FloatArray, IntArray

MAX_DETECTIONS = 1000


class TrackState(IntEnum):
    """How much a track can be believed in a frame."""

    TENTATIVE = 1
    CONFIRMED = 2
    COASTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Everything that the detector found in one frame.

    Attributes:
        time_ns: Capture time, nanoseconds since 1970 UTC.
        boxes_px: Corners `x_min, y_min, x_max, y_max`, full frame. Shape (M, 4).
        scores: Confidences in [0, 1]. Shape (M,).
        ankles_px: `x, y, score` of the left and the right ankle; score 0 where the
            detector reports none. Shape (M, 2, 3).
    """

    time_ns: int
    boxes_px: FloatArray
    scores: FloatArray
    ankles_px: FloatArray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class FootPoints:
    """Where feet are in the image.

    Attributes:
        points_px: Shape (N, 2).
        sigma_px: Standard deviation, the same in both directions. Shape (N,).
        visibility: Believed share of the feet that is seen, in [0, 1]. Shape (N,).
    """

    points_px: FloatArray
    sigma_px: FloatArray
    visibility: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameTracks:
    """The tracks of one frame, by ascending id.

    Attributes:
        track_ids: Shape (N,).
        states: Values of `TrackState`. Shape (N,).
        boxes_px: Corners, inside the frame. Shape (N, 4).
        scores: Scores of the detections behind them; 0 when coasted. Shape (N,).
        detection_indices: Their detections; -1 when coasted. Shape (N,).
        feet: Foot points.
        occlusion: Largest share covered by one nearer box. Shape (N,).
        age_frames: Frames since the first detection, inclusive. Shape (N,).
        ended_track_ids: Tracks that ended with this frame. Shape (E,).
    """

    track_ids: IntArray
    states: IntArray
    boxes_px: FloatArray
    scores: FloatArray
    detection_indices: IntArray
    feet: FootPoints
    occlusion: FloatArray
    age_frames: IntArray
    ended_track_ids: IntArray


def require_usable(detections: Detections, frame_size_px: tuple[int, int]) -> None:
    """Return if every detection of a frame can be tracked.

    Raises:
        InvalidInput: There are too many, or one lies outside the frame, or has a score
            outside [0, 1].
    """
    if len(detections) > MAX_DETECTIONS:
        raise InvalidInput(
            f"at most {MAX_DETECTIONS} detections in a frame; got {len(detections)}",
            field="detections",
        )
    width, height = frame_size_px
    x_min, y_min, x_max, y_max = detections.boxes_px.T
    inside = (x_max > 0) & (y_max > 0) & (x_min < width) & (y_min < height)
    scored = (detections.scores >= 0) & (detections.scores <= 1)
    _require_all(inside, "box", "must overlap the frame")
    _require_all(scored, "score", "must be between 0 and 1")


def _require_all(good: BoolArray, field: str, rule: str) -> None:
    """Raise InvalidInput for the first detection that breaks a rule."""
    if not good.all():
        raise InvalidInput(rule, field=f"detections[{int(np.argmin(good))}].{field}")
